"""What operators send. Strict as the bodies of `api.bodies`."""

from dataclasses import fields
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from rollout.announcement import Announcement
from rollout.terms import Terms

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _terms_body() -> type[BaseModel]:
    """A body of the fields, types and defaults of `Terms`."""
    # Any: pydantic's own way of naming a field's type and default.
    named: dict[str, Any] = {each.name: (each.type, each.default) for each in fields(Terms)}
    return create_model(
        "RolloutBody", __config__=_STRICT, __doc__="How it comes to serve.", **named
    )


RolloutBody = _terms_body()


class CheckpointBody(BaseModel):
    """A bundle to load."""

    model_config = _STRICT

    bundle_uri: Annotated[str, Field(min_length=1, max_length=2_048)] = Field(
        description="its folder: file:, or what --checkpoint-sources allows"
    )
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="sha256 of its manifest; another bundle there is refused"
    )
    rollout: RolloutBody = Field(  # type: ignore[valid-type]  # made from `Terms`
        default_factory=RolloutBody, description="strategy and its numbers"
    )

    def announcement(self, now: float) -> Announcement:
        """The noun, announced at ``now`` (Unix seconds)."""
        terms = TypeAdapter(Terms).validate_python(self.rollout.model_dump())  # type: ignore[attr-defined]
        return Announcement(self.bundle_uri, now, self.digest, rollout=terms)
