"""What a policy's pages are truly worth at visits that RL does not train on."""

from dataclasses import dataclass, replace

import torch

from genpage.errors import DatasetError
from model.network import Network
from model.sampling import Shape
from training.rl.policy import Sheet
from training.rl.sampled import Table, Truth
from training.rl.watch import Look


@dataclass(frozen=True, slots=True, eq=False)
class PolicyCheck:
    """The day's visits lie in ``table``, whose reward model is the run's."""

    day: str
    table: Table
    truth: Truth
    shape: Shape
    device: torch.device

    @torch.no_grad()
    def look(self, network: Network, step: int) -> Look:
        """The visits' greedy pages, by the model and by the truth.

        `DatasetError` where no member may be shown anything.
        """
        table = self.table
        network.eval()
        visits = table.visits.visits
        greedy = replace(self.shape, temperature=0.0)
        pages = table.groups(network, visits, 1, greedy, 0)
        kept = [index for index, page in enumerate(pages) if page.choices]
        if not kept:
            raise DatasetError(
                f"none of the members who came on {self.day}, the held-out day, may be shown any "
                "row; check the rules"
            )
        chosen = [pages[index] for index in kept]
        owners = [visits[index] for index in kept]
        worth = table.worth(chosen, Sheet.of(chosen, self.device), owners)
        truth = self.truth([table.visits.page(page) for page in chosen], owners)
        return Look(step, worth.rewards.double().cpu().numpy(), truth)
