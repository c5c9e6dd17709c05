"""A seeded sample of a data folder's members, asking for pages at the data's end."""

import random
from pathlib import Path

from dataset.contexts import checked_events, member_contexts
from dataset.folder import DataFolder
from evaluation.pages import Asked
from genpage.catalog import Catalog
from genpage.errors import DatasetError
from genpage.request import DEVICES, PageRequest
from genpage.trends import TrendCounter


def sample_members(
    data: Path, catalog: Catalog, *, members: int, rows: int, entities_per_row: int, seed: int
) -> list[Asked]:
    """``members`` of them (all, where there are fewer), each at the time of the newest event.

    Trends count every event of the folder; devices are drawn.
    """
    folder = DataFolder(data)
    events = checked_events(folder)
    if not len(events):
        raise DatasetError(f"{data} has no events; there is no member to ask for")
    counter = TrendCounter(catalog)
    for entity_id, ts in zip(events["entity_id"], events["ts"], strict=True):
        counter.add(entity_id, ts)
    trends, at = counter.snapshot(), float(events["ts"][-1])
    chance = random.Random(seed)
    contexts = list(member_contexts(folder, events))
    chosen = chance.sample(contexts, min(members, len(contexts)))
    return [
        Asked(
            context,
            PageRequest(
                context.user_id,
                at,
                rows=rows,
                entities_per_row=entities_per_row,
                device=chance.choice(DEVICES),
            ),
            trends,
        )
        for context in chosen
    ]
