"""A draft head: its chain is serving's, its file is checked, and growth leaves it as it was."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save

from genpage.errors import CheckpointError
from model.checkpoint import Checkpoint
from model.drafts import DRAFTS, DraftHead
from model.growth import grown
from model.packing import Packing

WIDTH, TRUNK = 16, 64
Change = Callable[[dict[str, torch.Tensor]], object]


def fitted(trunk_width: int = TRUNK, seed: int = 3) -> DraftHead:
    """A head of which no weight is at its start."""
    head = DraftHead(trunk_width, WIDTH)
    head.initialise(seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return head


def plain_chain(
    arrays: dict[str, NDArray[np.float32]],
    hidden: NDArray[np.float32],
    inputs: NDArray[np.float32],
    outputs: NDArray[np.float32],
) -> NDArray[np.float64]:
    """(steps, C) scores behind each token: (W,), (steps, W), (C, W); written out, in float64."""
    w = {name: array.astype(np.float64) for name, array in arrays.items()}
    state = w["state.weight"] @ hidden + w["state.bias"]
    found = []
    for vector in inputs:
        x = np.concatenate([state, w["inputs"] @ vector])
        n = (x - x.mean()) / np.sqrt(x.var() + 1e-5) * w["norm.weight"] + w["norm.bias"]
        wide = w["wide.weight"] @ n + w["wide.bias"]
        state = state + w["back.weight"] @ (wide / (1.0 + np.exp(-wide))) + w["back.bias"]
        found.append([(w["outputs"] @ vector_out) @ state for vector_out in outputs])
    return np.array(found)


def chain(head: DraftHead, hidden: torch.Tensor, inputs: torch.Tensor, outputs: torch.Tensor):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """The same by the head."""
    with torch.inference_mode():
        state, heard, found = head.start(hidden[None]), head.heard(inputs), []
        for step in range(len(inputs)):
            state = head.step(state, heard[step : step + 1])
            found.append((state @ head.sought(outputs).T)[0])
    return torch.stack(found)


def drawn(seed: int = 0, width: int = TRUNK) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A hidden state, six tokens' vectors, nine candidates'."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((width,), (6, width), (9, width))
    hidden, inputs, outputs = (torch.randn(shape, generator=generator) for shape in shapes)
    return hidden, inputs, outputs


def test_a_chain_is_the_formulas() -> None:
    """Six steps and their scores equal a plain computation, token by token, within 1e-5."""
    head, (hidden, inputs, outputs) = fitted(), drawn()
    arrays = {name: value.numpy() for name, value in head.state_dict().items()}
    plain = plain_chain(arrays, hidden.numpy(), inputs.numpy(), outputs.numpy())
    found = chain(head, hidden, inputs, outputs).numpy()
    assert plain.std() > 1.0
    np.testing.assert_allclose(found, plain, rtol=1e-5, atol=1e-5 * np.abs(plain).max())


def test_a_fresh_head_scores_as_the_place_it_starts_from() -> None:
    """As wide as the trunk, it begins with the trunk's own scores, and any width is one seed's."""
    head, (hidden, _, outputs) = DraftHead(TRUNK, TRUNK), drawn()
    head.initialise(1)
    with torch.inference_mode():
        scores = head.start(hidden[None])[0] @ head.sought(outputs).T
    torch.testing.assert_close(scores, outputs @ hidden, rtol=1e-4, atol=1e-4)
    heads = [DraftHead(TRUNK, WIDTH) for _ in range(3)]
    for each, seed in zip(heads, (1, 1, 2), strict=True):
        each.initialise(seed)
    assert heads[0].to_bytes() == heads[1].to_bytes() != heads[2].to_bytes()


def test_a_head_survives_its_file(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Saved with a checkpoint and loaded again it is the same; a checkpoint may have none."""
    head = fitted()
    replace(checkpoint, extra={DRAFTS: head.to_bytes()}).save(tmp_path / "with")
    found = DraftHead.of(Checkpoint.load(tmp_path / "with"))
    assert found is not None
    assert found.to_bytes() == head.to_bytes()
    assert DraftHead.of(checkpoint) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(lambda t: t.pop("inputs"), "inputs", id="a tensor is missing"),
        pytest.param(lambda t: t.pop("state.bias"), "bias", id="the one that tells the width"),
        pytest.param(lambda t: t.update(more=torch.zeros(1)), "more", id="one too many"),
        pytest.param(
            lambda t: t.update(outputs=torch.zeros(WIDTH, 2 * TRUNK)), "outputs", id="another trunk"
        ),
        pytest.param(lambda t: t.update(inputs=t["inputs"].half()), "type", id="another type"),
        pytest.param(
            lambda t: t.update({"state.bias": torch.zeros(100_000)}), "100000", id="far too wide"
        ),
        pytest.param(lambda t: t["norm.bias"].fill_(torch.nan), "norm.bias", id="not a number"),
        pytest.param(lambda t: t["inputs"].fill_(torch.inf), "inputs", id="infinite"),
    ],
)
def test_a_wrong_file_is_refused(change: Change, named: str) -> None:
    """What does not fit the network is a `CheckpointError` that names it and what to do."""
    tensors = load(fitted().to_bytes())
    change(tensors)
    with pytest.raises(CheckpointError, match=f"(?s){named}.*genpage train drafts --fresh"):
        DraftHead.from_bytes(save(tensors), TRUNK)


def test_a_broken_file_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Bytes that are no safetensors are a `CheckpointError`, with the folder where it is known."""
    with pytest.raises(CheckpointError, match=r"no safetensors file.*train drafts --fresh"):
        DraftHead.from_bytes(b"nonsense", TRUNK)
    broken = replace(checkpoint, extra={DRAFTS: b"nonsense"})
    with pytest.raises(CheckpointError, match=f"{tmp_path / DRAFTS} is no"):
        DraftHead.of(broken, tmp_path)


def test_a_grown_checkpoint_foretells_the_same(checkpoint: Checkpoint) -> None:
    """Behind a grown network, whose states and tables are wider, the head's scores are equal."""
    small = replace(checkpoint, extra={DRAFTS: fitted().to_bytes(), "metrics.jsonl": b"{}"})
    large = grown(small, "tiny", seed=4)
    assert large.config.width > small.config.width
    assert large.extra["metrics.jsonl"] == b"{}"
    tokens = torch.arange(200, 230)
    scores = []
    for each in (small, large):
        head, network = DraftHead.of(each), each.network()
        assert head is not None
        with torch.inference_mode():
            hidden = network.hidden(tokens, Packing.single(len(tokens)))[-1]
            inputs = network.inputs.table(network.content)[40:46]
            scores.append(chain(head, hidden, inputs, network.output_table()[50:90]))
    assert scores[0].std() > 0.01
    torch.testing.assert_close(scores[1], scores[0], rtol=1e-4, atol=1e-4)
