"""Runs of ``genpage daily`` on the small service of the training tests, and their sudden ends."""

from pathlib import Path

import pytest
import torch

from genpage.cli import main
from model.checkpoint import Checkpoint

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")


def cycle(service: Path, start: Path, out: Path, to: str, *flags: str) -> None:
    """Run the days up to ``to``."""
    common = ["--data", str(service), "--from", str(start), "--out", str(out), "--pages", "4"]
    main(["daily", *common, "--to", to, "--no-bundles", "--json", *flags])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """A checkpoint's."""
    return dict(Checkpoint.load(folder).weights)


class KilledError(BaseException):
    """Stands for a process that ends without warning."""


def stop_after(patch: pytest.MonkeyPatch, steps: int) -> None:
    """Have the optimiser's step ``steps + 1`` be the process's end."""
    left = [steps]
    step = torch.optim.AdamW.step

    def last_one(self: torch.optim.AdamW, closure: None = None) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise KilledError
        return step(self, closure)

    patch.setattr(torch.optim.AdamW, "step", last_one)
