"""Whether a page fits into a KV slot, judged at the door and not half way."""

from api.served import Served
from genpage.errors import InputError
from genpage.request import PageRequest


def fits(model: Served, tokens: int, request: PageRequest) -> bool:
    """Whether a page behind ``tokens`` prompt tokens stays within the model's capacity."""
    return _most(model, tokens, request) <= model.backend.capacity


def check_room(model: Served, tokens: int, request: PageRequest) -> None:
    """Raise `InputError` where it may not."""
    if not fits(model, tokens, request):
        raise InputError(
            f"rows, entities_per_row: together up to {_most(model, tokens, request)} tokens with "
            f"the prompt, and this model holds {model.backend.capacity}; ask for less at a time"
        )


def _most(model: Served, tokens: int, request: PageRequest) -> int:
    """The most tokens that the page can come to, by what the rules let stand on it once only."""
    catalog, rules = model.catalog, model.rules.page
    rows = min(request.rows, len(catalog.rows)) if rules.unique_rows else request.rows
    told = request.entities_per_row
    if model.serialised is not None:
        told = min(told, model.serialised)
    entities = rows * told
    if rules.unique_entities:
        entities = min(entities, len(catalog.entities))
    return tokens + rows + entities
