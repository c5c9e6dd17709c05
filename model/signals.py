"""How much each signal counts, and who is asked: what a hidden state says beyond its dot products.

`SignalGates`: a title's score is ``hidden @ output + sum_f gate_f * signal_f(title)``. The gates
are linear in the hidden state and in the bucket of the time since the member's last event, so
that the model itself learns when to follow a trend, when what goes with the last title, and when
neither (`tokenizer.signals` says what the signals are). Of the titles in demand, `Heat` turns the
counts by all half-lives into further signals: what makes a title lead is no straight line in any.

`Asks`: at the end of an event in the history the question "which title next?" depends on how long
after that event it is asked. A learnt scale and shift for each bucket of that time turn the hidden
state into the question's (training asks it after every event of a history in one pass; next-item
evaluation after the last one).
"""

import torch
from torch import nn

from genpage.errors import CheckpointError
from genpage.sources import Sources
from model.appeal import Appeal
from tokenizer.buckets import SINCE_NAMES
from tokenizer.signals import HEAT_WIDTH, HEATS, PACES, SIGNALS, heard_of

_FIRST_GATE = 0.3


class Heat(nn.Module):
    """A small network from a title's counts (logarithms, by half-life) to signals."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Parameter(torch.zeros(PACES, HEAT_WIDTH))
        self.bias = nn.Parameter(torch.zeros(HEAT_WIDTH))
        self.outer = nn.Parameter(torch.zeros(HEAT_WIDTH, HEATS))

    def forward(self, paces: torch.Tensor) -> torch.Tensor:
        """(..., PACES) -> (..., HEATS)."""
        return torch.relu(paces @ self.inner + self.bias) @ self.outer

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Fresh weights; the outer ones are not zero, since the gates begin there."""
        self.inner.normal_(0.0, 0.5, generator=generator)
        self.bias.normal_(0.0, 0.5, generator=generator)
        self.outer.normal_(0.0, HEAT_WIDTH**-0.5, generator=generator)


class SignalGates(nn.Module):
    """Gates of all signals, and the heat of titles in demand. d width, F signals."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, SIGNALS))
        self.bias = nn.Parameter(torch.zeros(SIGNALS))
        self.since = nn.Parameter(torch.zeros(len(SINCE_NAMES), SIGNALS))
        self.heat = Heat()
        self.heard: torch.Tensor
        self.register_buffer("heard", torch.ones(SIGNALS), persistent=False)  # (F,)

    def forward(self, hidden: torch.Tensor, since: torch.Tensor) -> torch.Tensor:
        """How much each signal counts."""  # (n, d), (n,) -> (n, F)
        gates: torch.Tensor = hidden @ self.weight + self.bias + self.since[since]
        return gates * self.heard

    @torch.no_grad()
    def listen(self, sources: Sources) -> None:
        """Close the gates of what is switched off, for good: they say 0 and learn nothing."""
        self.heard.copy_(torch.from_numpy(heard_of(sources)))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Open gates: a fresh model begins by following what its signals say."""
        self.bias.fill_(_FIRST_GATE)
        self.heat.initialise(generator)


class Asks(nn.Module):
    """A question for each bucket of the time since the member's last event. d width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(len(SINCE_NAMES), width))
        self.shift = nn.Parameter(torch.zeros(len(SINCE_NAMES), width))

    def forward(self, hidden: torch.Tensor, since: torch.Tensor) -> torch.Tensor:
        """The hidden states, asked at these buckets (n,)."""  # (n, d) -> (n, d)
        return hidden * (1.0 + self.scale[since]) + self.shift[since]


def missing_weights(weights: dict[str, torch.Tensor], content_dim: int) -> dict[str, torch.Tensor]:
    """What a checkpoint from before them lacks: zeros, which compute what it computed.

    `CheckpointError` where it has one of another shape, which an earlier version read otherwise.
    """
    width = weights["trunk.norm.weight"].shape[0]
    blank = {
        f"{name}.{key}": value
        for name, part in (("signals", SignalGates(width)), ("asks", Asks(width)))
        for key, value in part.state_dict().items()
    }
    appeal = Appeal(content_dim, len(weights["outputs.ids"]))
    # It adds nothing, and can learn.
    appeal.initialise(torch.Generator().manual_seed(0))
    blank |= {f"appeal.{key}": value for key, value in appeal.state_dict().items()}
    if "appeal.quality" in weights and not weights["appeal.quality"].any():
        # Of an output vector once, and nothing since titles are appraised by themselves.
        weights = {name: value for name, value in weights.items() if name != "appeal.quality"}
    for name, value in blank.items():
        held = weights.get(name, value)
        if held.shape != value.shape:
            raise CheckpointError(
                f"its {name} is of an earlier version, {tuple(held.shape)} and not "
                f"{tuple(value.shape)}; train it again"
            )
    return {name: value for name, value in blank.items() if name not in weights}
