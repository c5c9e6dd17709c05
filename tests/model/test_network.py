"""The network computes what its module docstrings say, against naive arithmetic."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from genpage.errors import GenPageError, InputError
from model.attention import AttentionCore, mix_documents, mix_grid
from model.config import ModelConfig
from model.network import Network
from model.packing import Packing
from model.rotary import rotary_table

SHAPE = ModelConfig(width=64, layers=2, heads=4, kv_heads=2, head_dim=32, ffn=64, positions=64)
VOCABULARY = 40
CONTENT = 8


def network(seed: int = 0) -> Network:
    """Random weights over a vocabulary whose first half has no content."""
    generator = torch.Generator().manual_seed(seed)
    content = normalize(torch.randn(VOCABULARY, CONTENT, generator=generator), dim=1)
    content[: VOCABULARY // 2] = 0
    built = Network(SHAPE, VOCABULARY, content)
    built.initialise(seed)
    return built


def tokens(count: int, seed: int = 0) -> torch.Tensor:
    """Random tokens."""
    return torch.randint(0, VOCABULARY, (count,), generator=torch.Generator().manual_seed(seed))


def test_parameter_count_is_as_the_config_says() -> None:
    """The arithmetic of `ModelConfig.parameters` counts what the network really holds."""
    held = sum(parameter.numel() for parameter in network().parameters())
    assert held == SHAPE.parameters(VOCABULARY, CONTENT)


def test_same_seed_same_weights() -> None:
    """Initialisation depends on the seed alone."""
    first, again, other = network(3), network(3), network(4)
    assert torch.equal(first.inputs.ids, again.inputs.ids)
    assert not torch.equal(first.inputs.ids, other.inputs.ids)


def test_a_packed_document_computes_what_it_computes_alone() -> None:
    """Documents side by side neither see one another nor share positions."""
    model, sequence = network(), tokens(30)
    packed = model(sequence, Packing((7, 12, 11)))
    for start, length in ((0, 7), (7, 12), (19, 11)):
        alone = model(sequence[start : start + length], Packing.single(length))
        torch.testing.assert_close(packed[start : start + length], alone, rtol=1e-5, atol=1e-6)


def test_the_past_does_not_see_the_future() -> None:
    """Changing a token changes nothing before it and something from it on."""
    model, sequence = network(), tokens(12)
    changed = sequence.clone()
    changed[6] = (changed[6] + 1) % VOCABULARY
    before, after = model(sequence, Packing.single(12)), model(changed, Packing.single(12))
    torch.testing.assert_close(before[:6], after[:6], rtol=0, atol=0)
    assert (before[6:] - after[6:]).abs().amax(dim=1).min() > 0


def test_attention_core_is_plain_attention_over_turned_heads() -> None:
    """Every head agrees with a loop over positions, complex rotations and an explicit softmax."""
    core, length = AttentionCore(SHAPE), 9
    generator = torch.Generator().manual_seed(5)
    query = torch.randn(1, length, SHAPE.query_width, generator=generator)
    key = torch.randn(1, length, SHAPE.kv_width, generator=generator)
    value = torch.randn(1, length, SHAPE.kv_width, generator=generator)
    mixed = core(query, key, value, Packing.single(length))[0]

    def turned(vector: torch.Tensor, position: int) -> torch.Tensor:
        half = SHAPE.head_dim // 2
        pairs = torch.complex(vector[:half], vector[half:])
        frequencies = SHAPE.rope_theta ** (-torch.arange(half) / half)
        pairs = pairs * torch.polar(torch.ones(half), position * frequencies)
        return torch.cat([pairs.real, pairs.imag])

    for head in range(SHAPE.heads):
        shared = head // (SHAPE.heads // SHAPE.kv_heads)
        q = query[0, :, head * SHAPE.head_dim : (head + 1) * SHAPE.head_dim]
        k = key[0, :, shared * SHAPE.head_dim : (shared + 1) * SHAPE.head_dim]
        v = value[0, :, shared * SHAPE.head_dim : (shared + 1) * SHAPE.head_dim]
        for at in range(length):
            scores = torch.stack(
                [
                    turned(q[at], at) @ turned(k[past], past) / math.sqrt(SHAPE.head_dim)
                    for past in range(at + 1)
                ]
            )
            expected = scores.softmax(dim=0) @ v[: at + 1]
            got = mixed[at, head * SHAPE.head_dim : (head + 1) * SHAPE.head_dim]
            torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lengths", [(9,), (7, 12, 1, 11)])
def test_the_padded_grid_agrees_with_the_loop_over_documents(lengths: tuple[int, ...]) -> None:
    """Both ways to keep documents apart give the same mix and the same gradients."""
    packing, generator = Packing(lengths), torch.Generator().manual_seed(2)
    shapes = [(SHAPE.heads,), (SHAPE.kv_heads,), (SHAPE.kv_heads,)]
    inputs = [
        torch.randn(1, packing.tokens, *heads, SHAPE.head_dim, generator=generator)
        for heads in shapes
    ]
    wanted = torch.randn(1, packing.tokens, SHAPE.heads, SHAPE.head_dim, generator=generator)
    results = []
    for mix in (mix_documents, mix_grid):
        leaves = [x.clone().requires_grad_() for x in inputs]
        mixed = mix(leaves[0], leaves[1], leaves[2], packing)
        results.append([mixed, *torch.autograd.grad((mixed * wanted).sum(), leaves)])
    for looped, padded in zip(*results, strict=True):
        torch.testing.assert_close(padded, looped, rtol=1e-4, atol=1e-5)


def test_rotary_table_starts_at_no_rotation() -> None:
    """Position 0 turns nothing, and position 1 turns the first pair by one radian."""
    table = rotary_table(32, 4, 10_000.0)
    assert torch.equal(table.cos[0], torch.ones(16))
    assert table.sin[1, 0].item() == pytest.approx(math.sin(1.0))


def test_fusion_is_id_plus_gated_content() -> None:
    """A row of either table is what the formula in the docstring gives."""
    model = network()
    with torch.no_grad():
        model.outputs.gate_weight.normal_(generator=torch.Generator().manual_seed(1))
    side, token = model.outputs, VOCABULARY - 1
    gate = 1 / (1 + math.exp(-(side.ids[token] @ side.gate_weight + side.gate_bias).item()))
    expected = side.ids[token] + gate * (model.content[token] @ side.projection)
    torch.testing.assert_close(model.output_table()[token], expected)
    torch.testing.assert_close(model.output_table()[0], side.ids[0])


def test_a_token_that_wears_a_fallback_keeps_its_own_content() -> None:
    """ID dropout takes the ID embedding away on both sides and leaves the content."""
    model, worn, token = network(), 0, VOCABULARY - 1
    identity = torch.arange(VOCABULARY)
    identity[token] = worn
    for side, table in (
        (model.inputs, model.inputs.table(model.content, identity)),
        (model.outputs, model.output_table(identity)),
    ):
        expected = side.fuse(side.ids[[worn]], model.content[[token]])[0]
        torch.testing.assert_close(table[token], expected)
        torch.testing.assert_close(
            side.rows(torch.tensor([token]), model.content, identity)[0], expected
        )


def test_an_empty_document_is_a_bug() -> None:
    """A document of no tokens cannot be packed."""
    with pytest.raises(GenPageError, match="bug"):
        Packing((3, 0))


def test_a_sequence_beyond_the_positions_is_a_typed_error() -> None:
    """Not an index out of range somewhere in the rotary tables."""
    built, most = network(), SHAPE.positions
    with torch.inference_mode():
        built.hidden(torch.zeros(most, dtype=torch.long), Packing.single(most))
        with pytest.raises(InputError, match=f"{most + 1} tokens .* {most} positions"):
            built.hidden(torch.zeros(most + 1, dtype=torch.long), Packing.single(most + 1))
