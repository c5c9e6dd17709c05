"""Tiny bundles of random weights, each exported once."""

from pathlib import Path

import pytest
import torch
from tiny import tiny_bundle, tiny_checkpoint

from model.checkpoint import Checkpoint
from runtime.bundle import Bundle
from runtime.manifest import EXACT_PRECISIONS, Precision


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Networks this small are slower on two threads, and far slower beside other work."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    """Random weights that count as trained, so that their pages are judged too."""
    return tiny_checkpoint(random=False)


@pytest.fixture(scope="session")
def fp32_bundle() -> Path:
    """Its fp32 bundle; read only."""
    return tiny_bundle("fp32", random=False)


@pytest.fixture(scope="session")
def int8_bundle() -> Path:
    """Its int8 bundle; read only."""
    return tiny_bundle("int8", random=False)


@pytest.fixture(scope="session")
def fp16_bundle() -> Path:
    """Its fp16 bundle; read only."""
    return tiny_bundle("fp16", random=False)


@pytest.fixture(scope="module", params=EXACT_PRECISIONS)
def bundle(request: pytest.FixtureRequest, fp32_bundle: Path, int8_bundle: Path) -> Bundle:
    """A bundle of each precision."""
    precision: Precision = request.param
    return Bundle.open(fp32_bundle if precision == "fp32" else int8_bundle)
