"""A small simulated service on disk, and the default catalog, each made once a run."""

from pathlib import Path

import numpy as np
import pytest

from dataset.write import new_folder
from simulation.library import Library, build_library
from simulation.service import Summary, simulate
from simulation.settings import Settings

SMALL = Settings(members=70, entities=420, days=6, seed=3)


def write(folder: Path, settings: Settings) -> Summary:
    """Simulate into ``folder``."""
    with new_folder(folder) as writer:
        return simulate(settings, writer)


@pytest.fixture(scope="session")
def small() -> Settings:
    """The small service's settings."""
    return SMALL


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small service's data folder; nobody may change it."""
    folder = tmp_path_factory.mktemp("simulated") / "data"
    write(folder, SMALL)
    return folder


@pytest.fixture(scope="session", params=[0, 7])
def library(request: pytest.FixtureRequest) -> Library:
    """Catalogs of the default size, of two seeds."""
    seed: int = request.param
    return build_library(Settings(seed=seed), np.random.default_rng(seed))
