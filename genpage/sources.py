"""Which sources of context a model reads: METHOD's, each one switchable.

A setting of the model, not of a request: a model is trained with the sources that it will be
served with, so its checkpoint and its bundle record them, and whatever encodes prompts for it or
weighs its signals follows.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import ClassVar, Final, Literal, Self, get_args

from genpage.errors import UsageError

SourceName = Literal[
    "profile",
    "request",
    "history",
    "summary",
    "in_session",
    "new",
    "live",
    "trending",
    "together",
]
SOURCES: tuple[SourceName, ...] = get_args(SourceName)


@dataclass(frozen=True, slots=True)
class Sources:
    """What is switched off stands in no prompt and moves no score.

    ``history`` are the raw events, ``summary`` the titles of those before them. ``in_session`` is
    what the member did since the request's UTC midnight, and how long ago the last of it was:
    without it a page is made from what a nightly job left. ``trending`` are the titles in the
    prompt and the counts beside it, ``together`` the lists of which titles go with which.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    profile: bool = True
    request: bool = True
    history: bool = True
    summary: bool = True
    in_session: bool = True
    new: bool = True
    live: bool = True
    trending: bool = True
    together: bool = True

    @classmethod
    def without(cls, names: Iterable[str]) -> Self:
        """All but these; an unknown one is a `UsageError` that lists them."""
        off = tuple(names)
        for name in off:
            if name not in SOURCES:
                raise UsageError(f"no source {name!r}; there are: {', '.join(SOURCES)}")
        return cls(**dict.fromkeys(off, False))

    @property
    def off(self) -> tuple[str, ...]:
        """The names of those that are switched off."""
        return tuple(field.name for field in fields(self) if not getattr(self, field.name))


EVERYTHING: Final = Sources()
