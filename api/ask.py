"""A page asked for, as the door hands it on."""

from dataclasses import dataclass

from genpage.request import PageRequest


@dataclass(frozen=True, slots=True)
class Ask:
    """A validated request and what belongs to this asking alone.

    ``clocked`` says that the client set the request's clock itself. ``deadline_s`` is a budget.
    ``given`` names the fields that it set; a continued page has the others from the one before.
    """

    request: PageRequest
    request_id: str
    clocked: bool = False
    deadline_s: float | None = None
    continue_from: str | None = None
    given: frozenset[str] = frozenset()
