"""Why a bundle was refused."""

from typing import Final, Literal

from genpage.errors import ArtefactError

Kind = Literal[
    "not-allowed",  # its URI is outside the allow-list
    "gone",  # nothing is there
    "away",  # the source does not answer
    "too-large",  # more bytes or files than may be fetched
    "no-room",  # no memory, or no disk, for it now
    "digest",  # another bundle than was announced lies there
    "damaged",  # a file is not what the manifest says: broken on its way, or still being copied
    "bundle",  # it is no bundle that works here: a shape, a number, a golden page
    "version",  # another version than was announced, or one that is taken
    "lineage",  # its vocabulary is not related to the active one's
    "rules",  # its pages break a rule, or are empty
    "latency",  # its pages take too long
    "canary",  # it did worse than the active one
    "out-of-order",  # something newer was announced before
    "superseded",  # something newer was announced meanwhile
    "failed",  # something of our own broke
]

# What the bytes are to blame for: the same bytes are not tried again.
LASTING: Final[frozenset[Kind]] = frozenset(
    {"bundle", "version", "lineage", "rules", "latency", "canary"}
)


class RefusedError(ArtefactError):
    """A bundle does not come to serve; the message says why."""

    code = "refused"

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind: Kind = kind
