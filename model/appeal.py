"""What the moment adds to a page's scores, learnt: `tokenizer.appeal` in PyTorch.

Zeros add nothing; a checkpoint from before it holds zeros. Trained with the sequence model, whose
logit it is added to.

Shape legend: P pages, E entities, S signs, W wishes, C content dimensions, K affinity dimensions,
V tokens, R targets that are rows, D = 20 places of a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from genpage.promise import DEPTHS
from tokenizer.appeal import GAIN, AppealWeights, shapes
from tokenizer.signs import SIGNS

_TITLE_STD = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class AppealInputs:
    """What a batch of pages knows of each candidate; `tokenizer.signs` says what."""

    titles: torch.Tensor  # (P, S, E)
    wishes: torch.Tensor  # (P, W, C)
    asked: torch.Tensor  # (P, ASKED)
    content: torch.Tensor  # (E, C)


class Appeal(nn.Module):
    """A small network over signs, an affinity of contents, and a title's own quality."""

    def __init__(self, content_dim: int, tokens: int) -> None:
        super().__init__()
        for name, shape in shapes(content_dim, tokens).items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))

    inner: nn.Parameter
    asked: nn.Parameter
    bias: nn.Parameter
    outer: nn.Parameter
    plain: nn.Parameter
    wish: nn.Parameter
    title: nn.Parameter
    quality: nn.Parameter
    promise: nn.Parameter
    crowd: nn.Parameter

    def forward(self, inputs: AppealInputs, tokens: torch.Tensor) -> torch.Tensor:
        """(P, E) of the candidates, whose tokens are ``tokens`` (E,)."""
        asked = inputs.asked @ self.asked + self.bias  # (P, H)
        inner = torch.einsum("pse,sh->phe", inputs.titles, self.inner) + asked[:, :, None]
        added = torch.einsum("phe,h->pe", torch.relu(inner), self.outer)
        added = added + torch.einsum("pse,s->pe", inputs.titles, self.plain)
        wish = torch.einsum("pwc,wck->pk", inputs.wishes, self.wish)
        added = added + wish @ (inputs.content @ self.title).T
        return GAIN * (added + self.quality[tokens])

    def rows(self, worth: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """(R,) of rows whose places hold titles of this ``worth`` (R, D), where there is one.

        `genpage.promise.means`; a row learns nothing to its titles (no gradient to ``worth``).
        """
        worth = torch.where(there, worth.detach(), 0.0)
        sums, counts = worth.cumsum(1), there.cumsum(1).clamp_min(1)
        promises = torch.stack(
            [sums[:, depth - 1] / counts[:, depth - 1] for depth in DEPTHS], dim=1
        )
        return self.promised(promises)

    def promised(self, promises: torch.Tensor) -> torch.Tensor:
        """(...) of rows that promise so much (..., P) (`genpage.promise`)."""
        return GAIN * (promises @ self.promise)

    def crowded(self, crowds: torch.Tensor) -> torch.Tensor:
        """(...) of titles with such ``crowds`` (..., F) above them (`tokenizer.crowd`)."""
        return GAIN * (crowds @ self.crowd)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """What adds nothing yet, with features that a gradient can reach."""
        self.inner.normal_(0.0, SIGNS**-0.5, generator=generator)
        self.asked.normal_(0.0, 0.3, generator=generator)
        self.title.normal_(0.0, _TITLE_STD, generator=generator)


def weights_of(weights: Mapping[str, torch.Tensor]) -> AppealWeights | None:
    """A checkpoint's (``weights`` by name), as NumPy; None where nothing would be added."""
    prefix = "appeal."
    arrays = {
        name.removeprefix(prefix): value.detach().cpu().float().numpy().copy()
        for name, value in weights.items()
        if name.startswith(prefix)
    }
    if not any(
        arrays[name].any() for name in ("outer", "plain", "wish", "quality", "promise", "crowd")
    ):
        return None
    return AppealWeights(**arrays)
