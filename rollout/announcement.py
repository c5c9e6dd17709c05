"""An announcement: the value of ``genpage.checkpoints``, and what an operator posts."""

from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from genpage.errors import InputError
from rollout.terms import Terms

# A JSON document: its values are whatever JSON holds.
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Announcement:
    """A bundle that is to serve. ``digest`` is the sha256 of its manifest.

    ``created_at`` (Unix seconds) is when it was announced, and orders announcements: an earlier
    bundle that is to serve again is announced anew. ``version``, where it is given, must be the
    manifest's. ``cadence`` and ``parent`` are for people.
    """

    bundle_uri: Annotated[str, Field(min_length=1, max_length=2_048)]
    created_at: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    version: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    parent: Annotated[str, Field(max_length=128)] | None = None
    cadence: Annotated[str, Field(max_length=128)] | None = None
    rollout: Terms = field(default_factory=Terms)

    @classmethod
    def parse(cls, document: object) -> "Announcement":
        """The announcement in a message; `InputError` names what is wrong.

        Fields that it does not have are let through and ignored, as PROTOCOLS asks of messages.
        Null stands for a field left out.
        """
        try:
            announced: Announcement = _ADAPTER.validate_python(_known(document))
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"]) or "document"
            raise InputError(f"checkpoint: {name}: {first['msg']}") from error
        if announced.digest is None:
            raise InputError("checkpoint: digest: Field required")
        return announced

    def document(self) -> Document:
        """The JSON document, as on the topic."""
        return asdict(self)


_ADAPTER = TypeAdapter(Announcement)


def _known(document: object) -> object:
    """Without what is null or of another version; what is no object stays as it is."""
    if not isinstance(document, dict):
        return document
    known = _only(document, Announcement)
    if isinstance(known.get("rollout"), dict):
        known["rollout"] = _only(known["rollout"], Terms)
    return known


def _only(document: Document, noun: type[Announcement] | type[Terms]) -> Document:
    names = {each.name for each in fields(noun)}
    return {key: value for key, value in document.items() if key in names and value is not None}
