"""A checkpoint as a Llama: read by its published formulas alone, it says what the network says."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tiny import tiny_checkpoint

from benchmarks.peers import llama
from model.twin import TorchTwin

Array = NDArray[np.float32]


class NaiveLlama:
    """Llama from a folder of Hugging Face's layout, in plain NumPy; position by position."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = load_file(folder / "model.safetensors")

    def logits(self, tokens: NDArray[np.int32]) -> Array:
        """After every token: (n,) -> (n, V)."""
        stream = self.weights["model.embed_tokens.weight"][tokens]
        for layer in range(self.config["num_hidden_layers"]):
            stream = stream + self._attention(layer, self._norm(stream, layer, "input_layernorm"))
            stream = stream + self._ffn(
                layer, self._norm(stream, layer, "post_attention_layernorm")
            )
        final = self._scaled(stream, self.weights["model.norm.weight"])
        logits: Array = final @ self.weights["lm_head.weight"].T
        return logits

    def _of(self, layer: int, name: str) -> Array:
        return self.weights[f"model.layers.{layer}.{name}.weight"]

    def _norm(self, stream: Array, layer: int, name: str) -> Array:
        return self._scaled(stream, self._of(layer, name))

    def _scaled(self, stream: Array, weight: Array) -> Array:
        mean = (stream**2).mean(axis=-1, keepdims=True)
        scaled: Array = stream / np.sqrt(mean + self.config["rms_norm_eps"]) * weight
        return scaled

    def _turned(self, heads: Array) -> Array:
        """Rotary positions over halves of a head: (n, heads, dim)."""
        half = heads.shape[-1] // 2
        speed = self.config["rope_theta"] ** (-np.arange(half) / half)
        angle = np.arange(len(heads))[:, None, None] * speed
        first, second = heads[..., :half], heads[..., half:]
        cos, sin = np.cos(angle), np.sin(angle)
        turned: Array = np.concatenate(
            [first * cos - second * sin, second * cos + first * sin], axis=-1
        )
        return turned

    def _attention(self, layer: int, stream: Array) -> Array:
        count, dim = len(stream), self.config["head_dim"]
        heads, shared = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        query, key, value = (
            (stream @ self._of(layer, f"self_attn.{name}_proj").T).reshape(count, -1, dim)
            for name in "qkv"
        )
        query, key = self._turned(query), self._turned(key)
        mixed = np.zeros_like(query)
        for place in range(count):
            for head in range(heads):
                group = head // (heads // shared)
                scores = key[: place + 1, group] @ query[place, head] / np.sqrt(dim)
                shares = np.exp(scores - scores.max())
                mixed[place, head] = shares / shares.sum() @ value[: place + 1, group]
        added: Array = mixed.reshape(count, -1) @ self._of(layer, "self_attn.o_proj").T
        return added

    def _ffn(self, layer: int, stream: Array) -> Array:
        gate = stream @ self._of(layer, "mlp.gate_proj").T
        up = stream @ self._of(layer, "mlp.up_proj").T
        added: Array = gate / (1 + np.exp(-gate)) * up @ self._of(layer, "mlp.down_proj").T
        return added


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint as a Llama."""
    target = tmp_path_factory.mktemp("peers") / "llama"
    llama.write(tiny_checkpoint(), target)
    return target


def test_the_llama_gives_the_logits_of_the_network(folder: Path) -> None:
    """To float32's rounding, at every position, for rows and titles alike."""
    checkpoint = tiny_checkpoint()
    tokens = np.random.default_rng(0).integers(0, checkpoint.vocabulary.size, 23).astype(np.int32)
    items = np.concatenate(checkpoint.vocabulary.item_tokens(checkpoint.catalog))
    expected = TorchTwin(checkpoint).logits(tokens)
    given = NaiveLlama(folder).logits(tokens)[:, items]
    np.testing.assert_allclose(given, expected, atol=1e-4 * float(expected.std()) + 1e-5)


def test_a_word_is_a_tokens_number(folder: Path) -> None:
    """The tokenizer has every token, so that a peer that insists on one can be loaded."""
    words = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    assert words == {f"t{token}": token for token in range(size)}
