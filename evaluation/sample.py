"""A seeded sample of a data folder's members, asking for pages at the data's end."""

import random
from pathlib import Path

from dataset.contexts import checked_events, member_contexts
from dataset.folder import DataFolder
from genpage.errors import DatasetError
from genpage.request import DEVICES, PageRequest
from runtime.cases import Member


def sample_members(
    data: Path, *, members: int, rows: int, entities_per_row: int, seed: int
) -> list[Member]:
    """``members`` of them (all, where there are fewer), each at the time of the newest event.

    Devices are drawn.
    """
    folder = DataFolder(data)
    events = checked_events(folder)
    if not len(events):
        raise DatasetError(f"{data} has no events; there is no member to ask for")
    at = float(events["ts"][-1])
    chance = random.Random(seed)
    contexts = list(member_contexts(folder, events))
    return [
        Member(
            context.user_id,
            context,
            PageRequest(
                context.user_id,
                at,
                rows=rows,
                entities_per_row=entities_per_row,
                device=chance.choice(DEVICES),
            ),
        )
        for context in chance.sample(contexts, min(members, len(contexts)))
    ]
