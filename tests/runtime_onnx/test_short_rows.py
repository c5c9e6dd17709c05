"""Short rows on a real bundle: pages are the plain twin's, however they are computed."""

from dataclasses import replace
from pathlib import Path

import pytest

from export.members import evening_after, made_up_members
from export.parity import Reference
from model.checkpoint import Checkpoint
from runtime.model import LoadedModel, LoadSettings
from runtime.offline import generate
from runtime.sessions import SessionSettings


@pytest.fixture(scope="module")
def fp32(fp32_bundle: Path) -> LoadedModel:
    """A bundle of whole rows, with slots for several pages."""
    return LoadedModel.load(fp32_bundle, LoadSettings(3, SessionSettings(1)))


@pytest.mark.parametrize(("serialised", "autoregressive"), [(1, 4), (2, 2), (3, 2), (2, 1)])
def test_pages_are_pytorchs(
    fp32: LoadedModel, checkpoint: Checkpoint, serialised: int, autoregressive: int
) -> None:
    """Cached, drafted and side by side; other pages than those of whole rows."""
    at = evening_after(fp32.catalog, None)
    members = [
        replace(
            member,
            request=replace(member.request, rows=4, entities_per_row=6),
            autoregressive=autoregressive,
        )
        for member in made_up_members(fp32.catalog, fp32.rules, fp32.trends, at, seed=7)
    ]
    short = replace(fp32, manifest=replace(fp32.manifest, serialised=serialised))
    pages = list(generate(short, members))
    reference = Reference(replace(checkpoint, serialised=serialised))
    assert pages == [reference.page(short, member) for member in members]
    assert list(generate(short, members, batch=3)) == pages
    assert list(generate(fp32, members)) != pages
