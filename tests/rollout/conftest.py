"""Replicas to start, and bundles to announce to them."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from bundles import version_of
from replicas import Replica, Start, running
from tiny import tiny_bundle

from rollout.bringer import Settings


@pytest.fixture(scope="session")
def first() -> Path:
    """A bundle; read only."""
    return tiny_bundle("fp32", random=False)


@pytest.fixture
def another(first: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes other versions of the bundle."""
    return lambda: version_of(first, tmp_path)


@pytest.fixture
async def start(first: Path, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts replicas that serve ``first``, each with a staging folder of its own."""
    async with AsyncExitStack() as stack:
        numbers = itertools.count()

        async def run(**settings: Any) -> Replica:  # noqa: ANN401
            bundle = settings.pop("bundle", first)
            remembered = settings.pop("remembered", None)
            passed_on = ("adopt", "clock", "loading")
            more = {key: settings.pop(key) for key in passed_on if key in settings}
            staging = settings.pop("staging", tmp_path / f"staging-{next(numbers)}")
            made = Settings(staging, **settings)
            return await stack.enter_async_context(running(bundle, made, remembered, **more))

        yield run
