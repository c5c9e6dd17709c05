"""A grown model computes the same function, and can be trained on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from genpage.cli import main
from genpage.errors import UsageError
from model.checkpoint import Checkpoint
from model.config import ModelConfig, Size
from model.growth import grow_weights, grown
from model.network import Network
from model.packing import Packing
from model.twin import TorchTwin

SMALL = ModelConfig(width=64, layers=2, heads=4, kv_heads=2, head_dim=32, ffn=64, positions=128)
LENGTH = 40


def shape(**changes: int) -> ModelConfig:
    """The small shape with some directions larger."""
    document = {**SMALL.to_document(), **changes}
    if "width" in changes:
        document["norm_eps"] = SMALL.norm_eps * SMALL.width / changes["width"]
    return ModelConfig.from_document(document)


def trained(seed: int = 0) -> Network:
    """Random weights in which no norm and no gate is still at its start."""
    generator = torch.Generator().manual_seed(seed)
    content = torch.nn.functional.normalize(torch.randn(50, 8, generator=generator), dim=1)
    network = Network(SMALL, 50, content)
    network.initialise(seed)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.dim() < 2:
                weight.add_(torch.randn(weight.shape, generator=generator) * 0.3)
            elif "trunk" in name:
                weight.mul_(2.0)
    return network


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(shape(layers=5), id="deeper"),
        pytest.param(shape(width=192), id="wider"),
        pytest.param(shape(ffn=256), id="wider feed-forward"),
        pytest.param(shape(heads=8), id="larger head groups"),
        pytest.param(shape(heads=8, kv_heads=4), id="more head groups"),
        pytest.param(shape(heads=4, kv_heads=4), id="smaller head groups"),
        pytest.param(shape(head_dim=64), id="wider heads"),
        pytest.param(
            shape(width=128, layers=3, heads=12, kv_heads=4, head_dim=64, ffn=192), id="all at once"
        ),
    ],
)
def test_growing_keeps_the_function(target: ModelConfig) -> None:
    """Logits at every position agree within 1e-4 after growing in any direction."""
    small = trained()
    weights = grow_weights(dict(small.state_dict()), SMALL, target, small.content, seed=7)
    large = Network(target, small.vocab_size, small.content)
    large.load_state_dict(weights)
    tokens = torch.randint(0, 50, (LENGTH,), generator=torch.Generator().manual_seed(1))
    before, after = (net(tokens, Packing.single(LENGTH)) for net in (small, large))
    assert before.std() > 0.1
    torch.testing.assert_close(after, before, rtol=0, atol=1e-4)


def test_everything_that_grew_can_learn() -> None:
    """After three steps a gradient reaches every row and column: no new weight is dead."""
    target = shape(width=128, layers=3, heads=8, kv_heads=4, head_dim=64, ffn=128)
    small = trained()
    weights = grow_weights(dict(small.state_dict()), SMALL, target, small.content, seed=7)
    large = Network(target, small.vocab_size, small.content)
    large.load_state_dict({name: value.clone() for name, value in weights.items()})
    optimiser = torch.optim.SGD(large.parameters(), lr=0.1)
    tokens = torch.randint(0, 50, (LENGTH,), generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        optimiser.zero_grad()
        logits = large(tokens, Packing.single(LENGTH))
        torch.nn.functional.cross_entropy(logits[:-1], tokens[1:]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    for name, weight in large.named_parameters():
        if weight.dim() == 2 and "trunk" in name:
            assert weight.grad is not None
            reached = weight.grad != 0
            assert reached.any(dim=0).all(), name
            assert reached.any(dim=1).all(), name


def test_named_sizes_grow_from_one_another(
    make_checkpoint: Callable[..., Checkpoint],
) -> None:
    """A tiny checkpoint grown to small scores the same, and says what it came from."""
    tiny = replace(make_checkpoint(ModelConfig.of_size("tiny")), serialised=4)
    small = grown(tiny, "small", seed=3)
    assert small.serialised == 4
    prompt = np.array([1, 5, 530, 40, 9, 10], np.int32)
    difference = TorchTwin(small).scores(prompt) - TorchTwin(tiny).scores(prompt)
    assert np.abs(difference).max() < 1e-4
    assert small.lineage.parent == tiny.lineage.version
    assert small.lineage.size == "small"
    assert small.random


def test_random_weights_may_have_short_rows(tmp_path: Path) -> None:
    """As a trained model has them; what is grown keeps its own."""
    command = ["init", "--size", "micro", "--vocab-entities", "30", "--serialised", "3"]
    main([*command, "--out", str(tmp_path / "c")])
    assert Checkpoint.load(tmp_path / "c").serialised == 3
    grows = ["--grow-from", str(tmp_path / "c"), "--out", str(tmp_path / "d")]
    with pytest.raises(SystemExit):
        main(["init", "--size", "tiny", "--serialised", "2", *grows])


@pytest.mark.parametrize("size", ["120m", "200m", "450m", "900m"])
def test_heads_of_every_named_size_hold_the_smaller_ones(size: Size) -> None:
    """Each named size can be grown from the one before it (by the arithmetic of heads alone)."""
    order: list[Size] = ["small", "120m", "200m", "450m", "900m"]
    old, new = ModelConfig.of_size(order[order.index(size) - 1]), ModelConfig.of_size(size)
    copies = -(-(old.heads // old.kv_heads) // (new.heads // new.kv_heads))
    assert old.kv_heads * copies <= new.kv_heads
    assert old.width <= new.width
    assert old.layers <= new.layers
    assert old.ffn <= new.ffn


def test_shrinking_is_refused(make_checkpoint: Callable[..., Checkpoint]) -> None:
    """A size smaller than the checkpoint is a usage error that names the direction."""
    deep = ModelConfig(width=64, layers=5, heads=4, kv_heads=2, head_dim=32, ffn=64)
    with pytest.raises(UsageError, match="layers"):
        grown(make_checkpoint(deep), "tiny")


def test_heads_that_do_not_fit_are_refused() -> None:
    """Splitting head groups needs enough key-value heads."""
    small = trained()
    target = shape(heads=6, kv_heads=6)
    assert grow_weights(dict(small.state_dict()), SMALL, target, small.content, seed=0)
    wide_groups = ModelConfig.from_document({**SMALL.to_document(), "heads": 8})
    narrow = ModelConfig.from_document({**SMALL.to_document(), "heads": 8, "kv_heads": 4})
    network = Network(wide_groups, 50, small.content)
    assert grow_weights(dict(network.state_dict()), wide_groups, narrow, small.content, seed=0)
    tight = ModelConfig.from_document({**narrow.to_document(), "heads": 4})
    with pytest.raises(UsageError, match="groups"):
        grow_weights(dict(network.state_dict()), wide_groups, tight, small.content, seed=0)
