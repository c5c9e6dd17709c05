"""A model of the small service that has learnt some pages, and its fit of a draft head."""

from pathlib import Path

import pytest

from genpage.cli import main

FIRST, LAST = "2026-01-02", "2026-01-03"


@pytest.fixture(scope="session")
def learnt(service: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A micro model that was pretrained on the pages of three days, of whole rows."""
    out = tmp_path_factory.mktemp("learnt") / "checkpoint"
    flags = ["--size", "micro", "--to", "2026-01-04", "--history-tokens", "128", "--epochs", "4"]
    main(
        [
            *("train", "pretrain", "--data", str(service), "--out", str(out), *flags),
            *("--serialised", "0", "--lr", "0.01", "--batch-tokens", "1024"),
        ]
    )
    return out
