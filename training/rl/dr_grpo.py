"""Dr. GRPO (Liu et al. 2025, "Understanding R1-Zero-like training"): the loss of sampled pages.

For a request, a group of pages. A page's advantage is its reward less the group's mean, *not*
divided by the group's deviation (which would weigh easy and hard requests the same), and its
picks' terms are summed and divided by a constant, *not* by the page's own length (which would
favour long bad pages)::

    loss = - 1 / (pages * picks) * sum over pages, picks of
             min(ratio * A, clip(ratio, 1 - e, 1 + e) * A) - beta * kl
    kl   = exp(ref - log) - (ref - log) - 1            (Schulman's k3, as in GRPO)

Beside METHOD, a switch: *onward* credit gives a pick the page's reward from that pick on, less the
group's mean of the same. What stood above it was decided before it, so that the gradient keeps its
expectation and loses noise; the reward model's sum over titles makes it possible. A ``discount``
below 1 fades what is far below a pick: the gradient is a little biased and loses most of its noise
(Schulman et al. 2016, "High-dimensional continuous control", on gamma as a reduction of variance).
"""

from dataclasses import dataclass
from typing import Literal

import torch

Credit = Literal["page", "onward"]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What a step's loss is made of; () each."""

    loss: torch.Tensor
    kl: torch.Tensor  # mean over picks
    clipped: torch.Tensor  # the share of picks whose ratio was


def page_advantages(rewards: torch.Tensor, group: int) -> torch.Tensor:
    """(B,) rewards, groups side by side -> (B,) less their group's mean."""
    grouped = rewards.view(-1, group)
    return (grouped - grouped.mean(dim=1, keepdim=True)).reshape(-1)


def onward_advantages(
    values: torch.Tensor,  # (K,) what each pick adds
    page: torch.Tensor,  # (K,)
    order: torch.Tensor,  # (K,)
    whole: torch.Tensor,  # (B,) what is said of whole pages
    group: int,
    discount: float = 1.0,  # a place further down
) -> torch.Tensor:
    """(K,) each pick's reward from there on, less the mean of its group at the same order."""
    pages, most = len(whole), int(order.max()) + 1
    grid = values.new_zeros(pages, most)
    there = torch.zeros(pages, most, dtype=torch.bool, device=values.device)
    grid[page, order], there[page, order] = values, True
    fading = discount ** torch.arange(most, device=values.device)
    apart = torch.arange(most, device=values.device)
    apart = apart[:, None] - apart[None, :]  # how far the first is below the second
    faded = torch.where(apart >= 0, fading[apart.clamp_min(0)], 0.0)  # (most, most)
    onward = (grid @ faded + whole[:, None]) * there
    counts = there.view(-1, group, most).sum(dim=1).clamp_min(1)
    means = onward.view(-1, group, most).sum(dim=1) / counts  # (groups, most)
    return (onward - means.repeat_interleave(group, dim=0))[page, order]


def dr_grpo(
    log_chances: torch.Tensor,  # (K,)
    sampled: torch.Tensor,  # (K,) when the pages were drawn
    reference: torch.Tensor,  # (K,)
    advantages: torch.Tensor,  # (K,)
    *,
    divisor: float,
    clip: float,
    beta: float,
) -> Step:
    """The loss; ``divisor`` is pages x picks of a full page, whatever these pages have."""
    ratio = (log_chances - sampled).exp()
    bounded = ratio.clamp(1.0 - clip, 1.0 + clip)
    gain = torch.minimum(ratio * advantages, bounded * advantages)
    apart = reference - log_chances
    kl = apart.exp() - apart - 1.0
    return Step(
        loss=-(gain - beta * kl).sum() / divisor,
        kl=kl.detach().mean(),
        clipped=(ratio != bounded).float().mean(),
    )


@dataclass(frozen=True, slots=True)
class Leash:
    """The KL coefficient, adapted to keep the divergence near a target (Ziegler et al. 2019)."""

    beta: float
    target: float
    step: float = 0.2

    def after(self, kl: float) -> "Leash":
        """Tightened or loosened by at most ``step``, in proportion to how far the KL is off."""
        error = min(1.0, max(-1.0, kl / self.target - 1.0))
        return Leash(self.beta * (1.0 + self.step * error), self.target, self.step)
