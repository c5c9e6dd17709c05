"""A draft head: it foretells decisions behind the next one, so that drafts are more often right.

A page is decoded with speculation (`runtime.draft`): what is guessed costs nothing but time where
it is wrong. The head is small and recurrent, in the manner of Hydra (Ankner et al., "Hydra:
Sequentially-Dependent Draft Heads for Medusa Decoding", 2024), of ReDrafter (Zhang et al.,
"Recurrent Drafter for Fast Speculative Decoding in Large Language Models", 2024) and of EAGLE (Li
et al., 2024): a state starts from what the trunk knows behind the last verified token, and goes on
token by token without the trunk. It scores by products with projected output vectors, so that a
title that is newer than the head is foretold by its content, as it is scored.

::

    state:  s  = state(h)                           h: the trunk's hidden state behind a token
    step:   n  = norm([s; inputs e])                e: the fused input vector of the token that came
            s' = s + back(silu(wide(n)))
    score:  (outputs o) . s                         o: the fused output vector of a candidate

Shape legend: W width of the trunk, K width of the head, N states.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn
from torch.nn.functional import silu

from genpage.errors import CheckpointError
from model.checkpoint import Checkpoint

# A checkpoint's file; it may be missing.
DRAFTS = "drafts.safetensors"
# Parameters that read vectors of the trunk's width, each (K, W).
READERS = ("state.weight", "inputs", "outputs")
# How wide a head may be. A file is held to it before its claim takes memory.
LEAST_WIDTH, MOST_WIDTH = 8, 1024
_GROWS = 4  # how much wider than its state a step is inside
_BACK = 0.1  # a fresh step moves the state a little
_ADVICE = "`genpage train drafts --fresh --from CKPT --out CKPT2` fits a new one in its place."


class DraftHead(nn.Module):
    """The head. Zeros until `initialise`, or a file, fills it."""

    def __init__(self, trunk_width: int, width: int) -> None:
        super().__init__()
        self.trunk_width, self.width = trunk_width, width
        self.state = nn.Linear(trunk_width, width)
        self.inputs = nn.Parameter(torch.zeros(width, trunk_width))
        self.outputs = nn.Parameter(torch.zeros(width, trunk_width))
        self.norm = nn.LayerNorm(2 * width, eps=1e-5)
        self.wide = nn.Linear(2 * width, _GROWS * width)
        self.back = nn.Linear(_GROWS * width, width)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()

    def start(self, hidden: torch.Tensor) -> torch.Tensor:
        """The states that hidden states start: (N, W) -> (N, K)."""
        started: torch.Tensor = self.state(hidden)
        return started

    def heard(self, vectors: torch.Tensor) -> torch.Tensor:
        """What a step hears of tokens, by their input vectors: (N, W) -> (N, K)."""
        return vectors @ self.inputs.T

    def sought(self, vectors: torch.Tensor) -> torch.Tensor:
        """What states are multiplied with to score candidates: output vectors (N, W) -> (N, K)."""
        return vectors @ self.outputs.T

    def step(self, state: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """The states behind one token more: (N, K), (N, K) -> (N, K)."""
        read = self.norm(torch.cat([state, heard], dim=-1))
        moved: torch.Tensor = self.back(silu(self.wide(read)))
        return state + moved

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Fresh weights, the same for the same seed.

        What is sought is turned as the state is: a fresh head scores about as the scores of the
        place that it starts from, and learns what comes of the tokens since.
        """
        generator = torch.Generator().manual_seed(seed)
        turn = _orthonormal(self.width, self.trunk_width, generator)
        self.state.weight.copy_(turn)
        self.outputs.copy_(turn)
        self.inputs.copy_(_orthonormal(self.width, self.trunk_width, generator))
        self.norm.weight.fill_(1.0)
        for linear in (self.wide, self.back):
            linear.weight.normal_(0.0, linear.in_features**-0.5, generator=generator)
        self.back.weight.mul_(_BACK)

    def to_bytes(self) -> bytes:
        """As a file; `from_bytes` reads it."""
        return save(
            {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        )

    @classmethod
    def from_bytes(cls, content: bytes, trunk_width: int, name: str = DRAFTS) -> "DraftHead":
        """Of `to_bytes`, beside a trunk of this width; `CheckpointError` where it is none.

        ``name`` is the file's, as an error tells it.
        """
        try:
            tensors = load(content)
        except (SafetensorError, KeyError) as error:
            raise CheckpointError(f"{name} is no safetensors file: {error}. {_ADVICE}") from error
        width = tensors.get("state.bias", torch.zeros(0)).numel()
        if not LEAST_WIDTH <= width <= MOST_WIDTH:
            raise CheckpointError(
                f"{name} holds no draft head: its state.bias has {width} values, and a head is "
                f"{LEAST_WIDTH} to {MOST_WIDTH} wide. {_ADVICE}"
            )
        head = cls(trunk_width, width)
        expected = {name: tuple(value.shape) for name, value in head.state_dict().items()}
        held = {name: tuple(value.shape) for name, value in tensors.items()}
        if held != expected or any(t.dtype != torch.float32 for t in tensors.values()):
            wrong = sorted(name for name, _ in expected.items() ^ held.items())
            raise CheckpointError(
                f"{name} holds no draft head of this network: {(wrong or ['a type'])[0]} differs. "
                + _ADVICE
            )
        if strange := sorted(n for n, t in tensors.items() if not t.isfinite().all()):
            raise CheckpointError(f"{name}: {strange[0]} is not finite. {_ADVICE}")
        head.load_state_dict(tensors)
        return head

    @classmethod
    def of(cls, checkpoint: Checkpoint, folder: Path | None = None) -> "DraftHead | None":
        """A checkpoint's; None where it has none, `CheckpointError` where it does not fit.

        ``folder`` is where the checkpoint lies, where that is known: errors name it.
        """
        content = checkpoint.extra.get(DRAFTS)
        if content is None:
            return None
        name = DRAFTS if folder is None else str(folder / DRAFTS)
        return cls.from_bytes(content, checkpoint.config.width, name)


def _orthonormal(rows: int, columns: int, generator: torch.Generator) -> torch.Tensor:
    """(rows, columns) whose shorter side is orthonormal."""
    drawn = torch.randn(max(rows, columns), min(rows, columns), generator=generator)
    turned: torch.Tensor = torch.linalg.qr(drawn)[0]
    return turned if rows >= columns else turned.T.contiguous()
