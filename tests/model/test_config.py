"""The named sizes hold their names, and a config refuses what cannot be."""

import re
from typing import get_args

import pytest

from genpage.errors import CheckpointError
from model.config import WIDTH_STEP, ModelConfig, Size

VOCABULARY = 20_480
CONTENT = 128
TINY = ModelConfig.of_size("tiny").to_document()


@pytest.mark.parametrize("size", [size for size in get_args(Size) if re.fullmatch(r"\d+m", size)])
def test_parameter_counts_are_within_5_percent_of_the_name(size: Size) -> None:
    """A size called 120m has 114 to 126 million parameters with a 20,480-token vocabulary."""
    named = int(size.removesuffix("m")) * 1_000_000
    counted = ModelConfig.of_size(size).parameters(VOCABULARY, CONTENT)
    assert abs(counted / named - 1) < 0.05


@pytest.mark.parametrize("size", get_args(Size))
def test_widths_are_multiples_of_64(size: Size) -> None:
    """No width leaves a vectorised tail."""
    config = ModelConfig.of_size(size)
    widths = (config.width, config.ffn, config.query_width, config.kv_width)
    assert all(width % WIDTH_STEP == 0 for width in widths)


def test_sizes_grow() -> None:
    """Each named size has more parameters than the one before."""
    counts = [ModelConfig.of_size(size).parameters(VOCABULARY) for size in get_args(Size)]
    assert counts == sorted(set(counts))


def test_document_round_trip() -> None:
    """A config survives its JSON document."""
    config = ModelConfig.of_size("small")
    assert ModelConfig.from_document(config.to_document()) == config


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"dropout": 0.1}, "dropout"),
        ({"width": 100}, "width"),
        ({"layers": 0}, "layers"),
        ({"layers": 2.5}, "layers"),
        ({"layers": "4"}, "layers"),
        ({"head_dim": 48}, "head_dim"),
        ({"kv_heads": 3}, "kv_heads"),
        ({"heads": 6, "kv_heads": 4}, "kv_heads"),
        ({"norm_eps": 0.0}, "norm_eps"),
        ({"rope_theta": float("nan")}, "rope_theta"),
    ],
)
def test_refuses_by_name(change: dict[str, int | float | str], names: str) -> None:
    """An unknown key or an impossible value is an error that names it."""
    with pytest.raises(CheckpointError, match=names):
        ModelConfig.from_document({**TINY, **change})


def test_refuses_a_missing_key() -> None:
    """A document without one of the fields is refused, not filled in."""
    document = {key: value for key, value in TINY.items() if key != "layers"}
    with pytest.raises(CheckpointError, match="layers"):
        ModelConfig.from_document(document)
