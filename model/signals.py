"""How much each signal counts, and who is asked: what a hidden state says beyond its dot products.

`SignalGates`: a title's score is ``hidden @ output + sum_f gate_f(hidden) * signal_f(title)``, the
gates linear in the hidden state, so that the model itself learns when to follow a trend, when what
goes with the last title, and when neither (`tokenizer.signals` says what the signals are).

`Asks`: at the end of an event in the history the question "which title next?" depends on how long
after that event it is asked. A learnt scale and shift for each bucket of that time turn the hidden
state into the question's (training asks it after every event of a history in one pass; next-item
evaluation after the last one).
"""

import torch
from torch import nn

from tokenizer.buckets import SINCE_NAMES
from tokenizer.signals import SIGNALS


# What holds for everybody is one number a signal: it learns as much faster than the rest.
GATE_GAIN = 8.0


class SignalGates(nn.Module):
    """Linear gates. d width, F signals."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, SIGNALS))
        self.bias = nn.Parameter(torch.zeros(SIGNALS))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """How much each signal counts."""  # (n, d) -> (n, F)
        return hidden @ self.weight + GATE_GAIN * self.bias


class Asks(nn.Module):
    """A question for each bucket of the time since the member's last event. d width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(len(SINCE_NAMES), width))
        self.shift = nn.Parameter(torch.zeros(len(SINCE_NAMES), width))

    def forward(self, hidden: torch.Tensor, since: torch.Tensor) -> torch.Tensor:
        """The hidden states, asked at these buckets (n,)."""  # (n, d) -> (n, d)
        return hidden * (1.0 + self.scale[since]) + self.shift[since]


def extra_parameters(width: int) -> int:
    """Parameters of both."""
    return SIGNALS * (width + 1) + 2 * len(SINCE_NAMES) * width


def missing_weights(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What a checkpoint from before them lacks: zeros, which compute what it computed."""
    width = weights["trunk.norm.weight"].shape[0]
    blank = {
        f"{name}.{key}": value
        for name, part in (("signals", SignalGates(width)), ("asks", Asks(width)))
        for key, value in part.state_dict().items()
    }
    return {name: value for name, value in blank.items() if name not in weights}
