"""Peers in company: each figure is of those that made all of its pages."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.engine import catalog_of, grammars
from benchmarks.peers.beside import Beside, PeerProcess, Present
from benchmarks.peers.company import Company
from benchmarks.peers.conversion import made_of
from benchmarks.peers.orders import Met
from benchmarks.peers.peer import Batched, Decoded
from benchmarks.peers.task import PageTask
from genpage.errors import UnavailableError

NOTHING = np.zeros(0, np.int32)
TASK = PageTask(np.ones(3, np.int32), grammars(catalog_of(50), 1)[0], 1, 1, NOTHING, NOTHING)


class Half(PeerProcess):
    """Fails at one kind of work."""

    def __init__(self, fails: str) -> None:
        super().__init__("half", Path("python"), 1, Path("log"))
        self._fails = fails

    def page(self, task: PageTask, *, warm: bool) -> Decoded:  # noqa: ARG002 - its port
        """Decode, or not."""
        if self._fails == "page":
            raise UnavailableError("no page")
        return Decoded((0,) * task.tokens, 1.0, 1.0)

    def batch(self, tasks: Sequence[PageTask], *, warm: bool) -> Batched | None:  # noqa: ARG002
        """Decode, or not."""
        if self._fails == "batch":
            raise UnavailableError("no batch")
        return Batched(len(tasks), 2, 1.0, 1.0)


@pytest.mark.parametrize("fails", ["page", "batch"])
@pytest.mark.parametrize("page_first", [False, True])
def test_who_fails_at_one_kind_of_pages_is_measured_at_the_other(
    fails: str, *, page_first: bool
) -> None:
    """In whatever order they are asked for."""
    present = Present(Half(fails), Met("half", "fp32", valid=True, version="1"))
    company = Company(Beside((present,), {}))
    if page_first:
        company.decode(TASK, TASK)
    company.decode_together([TASK], [TASK])
    company.decode(TASK, TASK)
    assert ("half" in company.times) == (fails != "page")
    assert ("half" in company.together) == (fails != "batch")
    assert dict(company.absent) == ({"half": "no page"} if fails == "page" else {})
    assert dict(company.absent_together) == ({"half": "no batch"} if fails == "batch" else {})
    document = company.document()
    assert (document["absent"], document["absent_together"]) == (
        company.absent,
        company.absent_together,
    )


def test_other_weights_are_another_conversion(tmp_path: Path) -> None:
    """Told by what a checkpoint's manifest says, whatever its version is called."""
    manifest, code = tmp_path / "manifest.json", tmp_path / "code.py"
    manifest.write_text("one digest")
    code.write_text("convert")
    first = made_of(manifest, code)
    assert made_of(manifest, code) == first
    manifest.write_text("another digest")
    second = made_of(manifest, code)
    code.write_text("convert better")
    assert len({first, second, made_of(manifest, code)}) == 3
