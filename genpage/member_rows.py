"""The rows that a member or the counts fill: continue, my list, because you watched, trending.

Pure functions of the context, the trends and the catalog; each gives catalog indices.
"""

import numpy as np

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.highest import highest
from genpage.row import MemberRowKind
from genpage.trends import Trends

# A play that ends before this share of the duration is unfinished.
FINISHED_SHARE = 0.9
CONTINUE_LIMIT = 40
TRENDING_LIMIT = 100
BECAUSE_LIMIT = 100
_LIKED = frozenset({"play", "thumbs_up", "add_to_list"})


def member_row(
    kind: MemberRowKind, catalog: Catalog, context: Context, trends: Trends
) -> tuple[int, ...]:
    """Catalog indices of the entities that may stand in the row of this kind."""
    if kind == "continue":
        return catalog.indices(unfinished(catalog, context))
    if kind == "my_list":
        return catalog.indices(listed(context))
    if kind == "trending":
        return trends.top(TRENDING_LIMIT)
    return related(catalog, context)


def unfinished(catalog: Catalog, context: Context) -> list[str]:
    """What was begun and neither finished nor abandoned, most recent first."""
    open_plays: dict[str, None] = {}
    for event in context.events:
        if event.action not in {"play", "abandon"}:
            continue
        open_plays.pop(event.entity_id, None)
        index = catalog.entity_index(event.entity_id)
        if event.action == "abandon" or event.duration_s is None or index is None:
            continue
        if _is_unfinished(catalog.entities[index], event.duration_s):
            open_plays[event.entity_id] = None
    return list(reversed(open_plays))[:CONTINUE_LIMIT]


def _is_unfinished(entity: Entity, watched_s: float) -> bool:
    if entity.kind not in {"film", "show"} or entity.duration_s is None:
        return False
    return watched_s < FINISHED_SHARE * entity.duration_s


def listed(context: Context) -> list[str]:
    """What stands on the member's list, most recently added first."""
    kept: dict[str, None] = {}
    for event in context.events:
        if event.action in {"add_to_list", "remove_from_list"}:
            kept.pop(event.entity_id, None)
            if event.action == "add_to_list":
                kept[event.entity_id] = None
    return list(reversed(kept))


def because_of(catalog: Catalog, context: Context) -> int | None:
    """The title that a "because you watched" row refers to: the latest one engaged with."""
    for event in reversed(context.events):
        if event.action in _LIKED:
            index = catalog.entity_index(event.entity_id)
            if index is not None:
                return index
    return None


def related(catalog: Catalog, context: Context) -> tuple[int, ...]:
    """The entities that share most genres with `because_of`, by Jaccard similarity of genres.

    Nothing the member already engaged with; ties stand in catalog order.
    """
    anchor = because_of(catalog, context)
    if anchor is None:
        return ()
    genres = catalog.genre_matrix  # (E, G)
    shared = genres @ genres[anchor]
    counts = catalog.genre_counts
    similarity = shared / np.maximum(1.0, counts + counts[anchor] - shared)
    similarity[list(catalog.indices(event.entity_id for event in context.events))] = 0.0
    return highest(similarity, BECAUSE_LIMIT)
