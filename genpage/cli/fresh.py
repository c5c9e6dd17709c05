"""Flags of what a fresh model is, the same of every command that makes one."""

from typing import Annotated, Literal

from pydantic import Field

Serialised = Annotated[
    int | None,
    Field(
        ge=0,
        le=100,
        description="titles of a row that a fresh model has in its sequence, 0: all; 4 by default",
    ),
]
ContentBy = Annotated[
    Literal["text", "sentences", "vectors"] | None,
    Field(description="what a fresh model knows titles by; vectors where most have one"),
]
