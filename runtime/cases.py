"""Golden cases: members, and the page that a bundle's model gives each of them.

They are made up at export and travel in ``golden.json``, so that a replica can tell, before it
serves, whether its tokenizer, its onnxruntime and its CPU give what was judged at export.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from genpage.context import Context
from genpage.errors import BundleError
from genpage.page import Page
from genpage.request import PageRequest

_STRICT = {"extra": "forbid"}
Whole = Annotated[int, Field(ge=0)]
Score = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Member:
    """Who asks for a page, and for which; ``autoregressive`` as in `runtime.job.PageJob`."""

    __pydantic_config__ = _STRICT

    name: str
    context: Context
    request: PageRequest
    autoregressive: Annotated[int, Field(ge=1)] = 4


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """What a member must get.

    ``prompt`` are its tokens. ``items`` are some positions of the scores after it (rows, then
    entities, in catalog order), the highest first, and ``scores`` what stands there.
    """

    __pydantic_config__ = _STRICT

    member: Member
    prompt: tuple[Whole, ...]
    items: tuple[Whole, ...]
    scores: tuple[Score, ...]
    page: Page


@dataclass(frozen=True, slots=True)
class _File:
    __pydantic_config__ = _STRICT

    cases: tuple[GoldenCase, ...]


def cases_to_json(cases: tuple[GoldenCase, ...]) -> bytes:
    """The document, as written."""
    return _ADAPTER.dump_json(_File(cases))


def parse_cases(content: bytes) -> tuple[GoldenCase, ...]:
    """The cases of `cases_to_json`; anything else is a `BundleError`."""
    try:
        return _ADAPTER.validate_json(content).cases
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "document"
        raise BundleError(f"the golden pages are unreadable: {key}: {first['msg']}") from error


_ADAPTER = TypeAdapter(_File)
