"""llama.cpp through its Python package, Q8_0, by its C interface: no layer of Python's between.

A folder holds ``model.gguf``. GGUF's Llama pairs a head's neighbouring dimensions in its rotary
turns where ours pairs halves, so queries' and keys' rows are put in that order.
"""

import ctypes
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import gguf
import llama_cpp
import numpy as np
from safetensors.numpy import load_file

from benchmarks.peers.fed import FedPeer
from benchmarks.peers.task import FloatArray, IntArray

_FILE = "model.gguf"
_SEQUENCES = 8
_CONTEXT = 1024  # tokens of one sequence
_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


class LlamaCpp(FedPeer):
    """One context with room for eight sequences."""

    name: ClassVar[str] = "llama.cpp"
    package: ClassVar[str] = "llama_cpp"
    precision: ClassVar[str] = "Q8_0"
    valid: ClassVar[bool] = True

    @classmethod
    def prepare(cls, llama: Path, folder: Path) -> None:
        """Write the model as GGUF: matrices Q8_0, norms float32."""
        config = json.loads((llama / "config.json").read_text())
        writer = gguf.GGUFWriter(folder / _FILE, "llama")
        vocab, heads, shared = (
            config[name] for name in ("vocab_size", "num_attention_heads", "num_key_value_heads")
        )
        writer.add_block_count(config["num_hidden_layers"])
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_embedding_length(config["hidden_size"])
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_head_count(heads)
        writer.add_head_count_kv(shared)
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
        writer.add_rope_dimension_count(config["head_dim"])
        writer.add_rope_freq_base(config["rope_theta"])
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_vocab_size(vocab)
        writer.add_tokenizer_model("none")
        for name, value in load_file(llama / "model.safetensors").items():
            if ".q_proj." in name or ".k_proj." in name:
                value = _interleaved(value, heads if ".q_proj." in name else shared)  # noqa: PLW2901
            stored, kind = value, gguf.GGMLQuantizationType.F32
            if value.ndim > 1:
                kind = gguf.GGMLQuantizationType.Q8_0
                stored = gguf.quants.quantize(value, kind)
            writer.add_tensor(_name(name), stored, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    @classmethod
    def load(cls, folder: Path, threads: int) -> Self:
        """Load the weights."""
        return cls(folder, threads)

    def __init__(self, folder: Path, threads: int) -> None:
        super().__init__()
        llama_cpp.llama_backend_init()
        settings = llama_cpp.llama_model_default_params()
        self._model = llama_cpp.llama_model_load_from_file(bytes(folder / _FILE), settings)
        if self._model is None:
            raise RuntimeError(f"llama.cpp refuses {folder / _FILE}")
        config = llama_cpp.llama_context_default_params()
        config.n_ctx = _CONTEXT * _SEQUENCES
        config.n_seq_max = _SEQUENCES
        config.n_batch = _CONTEXT * _SEQUENCES
        config.n_ubatch = 512
        config.n_threads = config.n_threads_batch = threads
        self._context = llama_cpp.llama_init_from_model(self._model, config)
        self._vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        self._batch = llama_cpp.llama_batch_init(_CONTEXT * _SEQUENCES, 0, 1)
        self._ends: list[int] = []

    def rewind(self, kept: Sequence[int]) -> None:
        """Cut each sequence; the places beyond them are emptied."""
        memory = llama_cpp.llama_get_memory(self._context)
        for place in range(_SEQUENCES):
            start = kept[place] if place < len(kept) else 0
            llama_cpp.llama_memory_seq_rm(memory, place, start, -1)
        self._ends = list(kept)

    def feed(self, chunks: Sequence[IntArray]) -> Sequence[FloatArray]:
        """One batch of all chunks."""
        batch: Any = self._batch
        at, wanted = 0, []
        for place, chunk in enumerate(chunks):
            for offset, token in enumerate(chunk.tolist()):
                batch.token[at] = token
                batch.pos[at] = self._ends[place] + offset
                batch.n_seq_id[at] = 1
                batch.seq_id[at][0] = place
                batch.logits[at] = offset == len(chunk) - 1
                at += 1
            wanted.append(at - 1)
            self._ends[place] += len(chunk)
        batch.n_tokens = at
        if llama_cpp.llama_decode(self._context, batch) != 0:
            raise RuntimeError("llama.cpp cannot decode this batch")
        return [self._logits(index) for index in wanted]

    def _logits(self, index: int) -> FloatArray:
        pointer = llama_cpp.llama_get_logits_ith(self._context, index)
        address = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float))
        logits: FloatArray = np.ctypeslib.as_array(address, (self._vocab,))
        return logits


def _name(theirs: str) -> str:
    fixed = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if theirs in fixed:
        return fixed[theirs]
    _, _, layer, rest = theirs.split(".", 3)
    return f"blk.{layer}.{_LAYER[rest.removesuffix('.weight')]}.weight"


def _interleaved(rows: FloatArray, heads: int) -> FloatArray:
    """Rows of a head in halves, (heads * 2 * half, d), to rows in neighbouring pairs."""
    halves = rows.reshape(heads, 2, -1, rows.shape[1])
    ordered: FloatArray = halves.swapaxes(1, 2).reshape(rows.shape)
    return np.ascontiguousarray(ordered)
