"""A checkpoint as a Llama in the folder layout of Hugging Face, from which every peer starts.

The trunk is a Llama already: only names change. A fused table becomes a plain one, each token's
row computed once. What a Llama has no place for stays away: the signals and the appeal that are
added to scores, and the question of the next title. So a peer does less than the model, never
more. The tokenizer's words are the tokens' numbers; some peers refuse a model without one.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from genpage.staging import staged
from model.checkpoint import Checkpoint
from model.config import ModelConfig
from model.network import Network

_LAYER = {
    "attention_norm.weight": "input_layernorm.weight",
    "attention.query.weight": "self_attn.q_proj.weight",
    "attention.key.weight": "self_attn.k_proj.weight",
    "attention.value.weight": "self_attn.v_proj.weight",
    "attention.out.weight": "self_attn.o_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "ffn.gate.weight": "mlp.gate_proj.weight",
    "ffn.up.weight": "mlp.up_proj.weight",
    "ffn.down.weight": "mlp.down_proj.weight",
}
_UNKNOWN = 0


def write(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the folder, whole or not at all; what was there is replaced."""
    network = checkpoint.network()
    with staged(folder) as target:
        save_file(weights(network), target / "model.safetensors", {"format": "pt"})
        files = {
            "config.json": config(checkpoint.config, network.vocab_size),
            "generation_config.json": {"do_sample": False, "use_cache": True},
            "tokenizer.json": _tokenizer(network.vocab_size),
            "tokenizer_config.json": {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "model_max_length": checkpoint.config.positions,
                "unk_token": _word(_UNKNOWN),
            },
        }
        for name, document in files.items():
            (target / name).write_text(json.dumps(document))


@torch.inference_mode()
def weights(network: Network) -> dict[str, torch.Tensor]:
    """The weights by the names of `LlamaForCausalLM`, float32."""
    trunk = network.trunk.state_dict()
    named = {
        "model.embed_tokens.weight": network.inputs.table(network.content),
        "lm_head.weight": network.output_table(),
        "model.norm.weight": trunk["norm.weight"],
    }
    for layer in range(network.config.layers):
        for ours, theirs in _LAYER.items():
            named[f"model.layers.{layer}.{theirs}"] = trunk[f"blocks.{layer}.{ours}"]
    return {name: value.float().contiguous().clone() for name, value in named.items()}


def config(shape: ModelConfig, vocab_size: int) -> dict[str, object]:
    """What ``config.json`` says. No token ends a page: all are its content."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocab_size,
        "hidden_size": shape.width,
        "intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": shape.positions,
        "rms_norm_eps": shape.norm_eps,
        "rope_theta": shape.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_theta},
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "bos_token_id": _UNKNOWN,
        "eos_token_id": _UNKNOWN,
        "pad_token_id": _UNKNOWN,
        "dtype": "float32",
        "torch_dtype": "float32",
    }


def _word(token: int) -> str:
    return f"t{token}"


def _tokenizer(vocab_size: int) -> dict[str, object]:
    return {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        # Of all kinds, the one that every peer's own tokenizers can read.
        "model": {
            "type": "BPE",
            "vocab": {_word(token): token for token in range(vocab_size)},
            "merges": [],
            "unk_token": _word(_UNKNOWN),
        },
    }
