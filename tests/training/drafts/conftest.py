"""A few pages as a model of the small service decides them, of whole rows and of short ones."""

from dataclasses import replace
from pathlib import Path

import pytest

from dataset.folder import DataFolder
from model.checkpoint import Checkpoint
from training.drafts.decided import DecidedPage, Deciding
from training.visits import PageSize, Visits


@pytest.fixture(params=[None, 2], ids=["whole rows", "short rows"])
def deciding(request: pytest.FixtureRequest, start: Path, folder: DataFolder) -> Deciding:
    """A few visits of three rows of six titles, of which two may be in the sequence."""
    checkpoint = replace(Checkpoint.load(start), serialised=request.param)
    visits = Visits.read(
        folder,
        folder.catalog(),
        checkpoint.prompts,
        folder.days()[-1:],
        count=4,
        size=PageSize(3, 6),
    )
    return Deciding.of(checkpoint, checkpoint.network(), visits, 4)


@pytest.fixture
def pages(deciding: Deciding) -> list[DecidedPage]:
    """Their pages."""
    return [page for page in deciding.pages() if page is not None]
