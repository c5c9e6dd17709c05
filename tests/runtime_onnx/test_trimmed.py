"""Only scored tokens are finished: each gets, bit for bit, what it gets where all are."""

import random
from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from trunks import backend_of

from runtime.arrays import FloatArray, IntArray
from runtime.bundle import Bundle
from runtime.chunk import Chunk
from runtime.lanes import LANES, laned
from runtime.sessions import Session, SessionSettings
from runtime.signature import EMBEDDINGS, HIDDEN, SEQLENS, TOTAL, past_names, present_names
from runtime.trimmed import SCORED, trimmed

SLOTS = 8
LENGTH = 70


@pytest.fixture(scope="module")
def sequences(bundle: Bundle) -> IntArray:
    """(SLOTS, LENGTH) tokens, a sequence for each slot."""
    size = bundle.manifest.vocabulary_size
    return np.random.default_rng(5).integers(size, size=(SLOTS, LENGTH)).astype(np.int32)


class Exported:
    """The slow twin: the exported graph as it is, which finishes every token."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._session = Session(bundle.contents.trunk, SessionSettings(1))

    def states(self, tokens: IntArray, cuts: Sequence[int]) -> FloatArray:
        """(n, width) of one sequence, fed in pieces that end at the ``cuts``."""
        trunk = self._bundle.manifest.trunk
        caches = [
            np.zeros((1, trunk.kv_heads, len(tokens), trunk.head_dim), np.float32)
            for _ in range(2 * trunk.layers)
        ]
        states = []
        for start, end in zip((0, *cuts), cuts, strict=False):
            binding = self._session.bind()
            embedded = self._bundle.contents.lexicon.inputs.at(tokens[start:end])[None]
            hidden = np.empty_like(embedded)
            binding.input(EMBEDDINGS, embedded)
            binding.input(SEQLENS, np.array([end - 1], np.int32))
            binding.input(TOTAL, np.array(end, np.int32))
            binding.output(HIDDEN, hidden)
            for past, present, cache in zip(
                past_names(trunk.layers), present_names(trunk.layers), caches, strict=True
            ):
                binding.input(past, cache)
                binding.output(present, cache)
            binding.run()
            states.append(hidden[0])
        return np.concatenate(states)


@pytest.fixture(scope="module")
def whole(bundle: Bundle, sequences: IntArray) -> list[FloatArray]:
    """Every position's state, by the exported graph in one call a sequence."""
    exported = Exported(bundle)
    return [exported.states(tokens, [LENGTH]) for tokens in sequences]


@pytest.mark.parametrize("threads", [1, 2])
def test_any_number_of_a_chunks_last_tokens_is_finished_alike(
    bundle: Bundle, sequences: IntArray, whole: list[FloatArray], threads: int
) -> None:
    """From the last one alone to all of them, of chunks long and short."""
    backend = backend_of(bundle, capacity=LENGTH, settings=SessionSettings(threads))
    for length in (1, 2, 3, 17, 64, LENGTH):
        for scored in sorted({1, 2, 3, length // 2, length - 1, length} & {*range(1, length + 1)}):
            (states,) = backend.forward([Chunk(0, 0, sequences[0, :length], scored=scored)])
            np.testing.assert_array_equal(states, whole[0][length - scored : length])


@pytest.mark.parametrize("lanes", LANES)
def test_lanes_with_few_tokens_to_finish_give_what_the_exported_graph_gives(
    bundle: Bundle, sequences: IntArray, whole: list[FloatArray], lanes: int
) -> None:
    """As many chunks as lanes, each of its own length, with its own tokens scored."""
    chance = random.Random(lanes)
    backend = backend_of(bundle, 1, lanes, capacity=LENGTH, slots=SLOTS)
    fed = [0] * lanes
    while open_ := [slot for slot in range(lanes) if fed[slot] < LENGTH]:
        chunks = []
        for slot in open_:
            tokens = sequences[slot, fed[slot] : fed[slot] + chance.choice((1, 2, 9, 30))]
            scored = chance.choice((1, 1, chance.randint(1, len(tokens))))
            chunks.append(Chunk(slot, fed[slot], tokens, scored=scored))
        for chunk, states in zip(chunks, backend.forward(chunks), strict=True):
            np.testing.assert_array_equal(
                states, whole[chunk.slot][chunk.end - chunk.scored : chunk.end]
            )
            fed[chunk.slot] = chunk.end


def test_pieces_of_the_exported_graph_are_the_same(
    bundle: Bundle, sequences: IntArray, whole: list[FloatArray]
) -> None:
    """What is compared with does not depend on how it was cut."""
    np.testing.assert_array_equal(
        Exported(bundle).states(sequences[1], [20, 22, 51, LENGTH]), whole[1]
    )


@pytest.mark.parametrize("lanes", LANES)
def test_what_stands_behind_the_last_attention_sees_scored_tokens_alone(
    bundle: Bundle, lanes: int
) -> None:
    """The last layer's output projection and MLP; all other products still see every token."""
    short = trimmed(onnx.load(bundle.contents.trunk, load_external_data=False))
    graph = (short if lanes == 1 else laned(short, lanes)).graph
    products = [node for node in graph.node if node.op_type.startswith("MatMul")]
    behind = {SCORED}
    for node in graph.node:
        if behind.intersection(node.input):
            behind.update(node.output)
    assert len(products) == 7 * bundle.manifest.trunk.layers
    assert sum(node.output[0] in behind for node in products) == 4
    hidden = graph.output[0].type.tensor_type.shape.dim
    assert [each.dim_param or each.dim_value for each in hidden][1] == "scored"
    assert graph.output[0].name in behind
