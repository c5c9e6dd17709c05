"""What runs of RL begin with."""

from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint
from training.options import Options
from training.pretrain import Pretraining
from training.run import Run


@pytest.fixture(scope="session")
def parent(service: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A barely pretrained micro model."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("parent") / "pre"
    chosen = Options(data=service, out=out, size="micro", steps=4, batch_tokens=512)
    Run(chosen, Pretraining()).train(lambda _: None)
    return Checkpoint.load(out)
