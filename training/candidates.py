"""What could have come next: the items among which a target is predicted.

The page grammar decides what may stand where, at serving time always; a softmax over everything
would spend the model on learning that again. So a row's token is predicted among the rows that the
page does not have yet, an entity's among the titles that are out, that belong to the open row as
far as the catalog alone tells, and that the page does not have yet.

Shape legend: K targets, V vocabulary, R known rows, E known entities, U pairs.
"""

from dataclasses import dataclass

import numpy as np
import torch

from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.row import MEMBER_ROW_KINDS
from tokenizer.symbols import ITEM_START
from tokenizer.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class BatchTargets:
    """The targets of one kind in a batch.

    ``days`` is each one's time, counted as `Candidates` count; ``rows`` the row that is open there,
    as a position among the known rows, R where that is none of them. ``used`` are pairs (target,
    candidate): what the page has already. ``columns`` and ``told`` as in `training.examples`.
    """

    positions: torch.Tensor  # (K,) in the batch's tokens
    places: torch.Tensor  # (K,) among the candidates
    weights: torch.Tensor  # (K,)
    days: torch.Tensor  # (K,)
    rows: torch.Tensor  # (K,)
    columns: torch.Tensor  # (K,)
    told: torch.Tensor  # (K,)
    used: torch.Tensor  # (2, U)
    page: torch.Tensor  # (K,) whose example it is, of the batch's


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """All known rows and entities, in the vocabulary's order.

    ``released`` are days since ``epoch`` (Unix seconds), -inf where unknown. ``members`` says who
    may stand in which row by the catalog alone; everybody in a row that a member or the counts
    fill, and in the last one, which stands for an unknown row.
    """

    rows: torch.Tensor  # (R,) tokens
    entities: torch.Tensor  # (E,) tokens
    released: torch.Tensor  # (E,) days
    members: torch.Tensor  # (R + 1, E)
    place: torch.Tensor  # (V,) an item's position among the rows or the entities
    epoch: float

    @classmethod
    def of(cls, vocabulary: Vocabulary, catalog: Catalog, device: torch.device) -> "Candidates":
        """All items of the vocabulary; release times and rows by the catalog."""
        is_row = np.array([item.noun == "row" for item in vocabulary.items], np.bool_)
        items = np.arange(ITEM_START, vocabulary.size)
        place = np.zeros(vocabulary.size, np.int64)
        place[items[is_row]] = np.arange(is_row.sum())
        place[items[~is_row]] = np.arange((~is_row).sum())
        row_tokens, entity_tokens = vocabulary.item_tokens(catalog)

        released = np.full(vocabulary.size, np.nan)
        released[entity_tokens] = catalog.released_at
        known = released[~np.isnan(released)]
        epoch = float(known.max()) if len(known) else 0.0
        days = np.nan_to_num((released - epoch) / SECONDS_A_DAY, nan=-np.inf)[items[~is_row]]

        members = np.ones((int(is_row.sum()) + 1, int((~is_row).sum())), np.bool_)
        for index, row in enumerate(catalog.rows):
            if row.entity_ids is None and row.kind in MEMBER_ROW_KINDS:
                continue
            members[place[row_tokens[index]], place[entity_tokens]] = catalog.membership[index]
        return cls(
            rows=torch.from_numpy(items[is_row]).to(device),
            entities=torch.from_numpy(items[~is_row]).to(device),
            released=torch.from_numpy(days.astype(np.float32)).to(device),
            members=torch.from_numpy(members).to(device),
            place=torch.from_numpy(place).to(device),
            epoch=epoch,
        )

    def closed_rows(self, targets: BatchTargets) -> torch.Tensor:
        """True where a row cannot come: it stands on the page already."""  # (K, R)
        closed = torch.zeros(
            len(targets.places), len(self.rows), dtype=torch.bool, device=self.place.device
        )
        return _but_targets(closed, targets)

    def closed_entities(self, targets: BatchTargets) -> torch.Tensor:
        """True where an entity cannot come: not out, not of this row, on the page."""  # (K, E)
        closed = ~self.members[targets.rows]
        closed |= self.released[None, :] > targets.days[:, None]
        return _but_targets(closed, targets)


def _but_targets(closed: torch.Tensor, targets: BatchTargets) -> torch.Tensor:
    closed[targets.used[0], targets.used[1]] = True
    # What did come was possible, whatever the catalog says today.
    return closed.scatter_(1, targets.places[:, None], value=False)
