"""The study of short rows: how many passes it says that a page takes."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from evaluation.intervals import Estimate
from evaluation.studies import short_rows
from evaluation.studies.short_rows import NUMBERS, passes
from evaluation.studies.workshop import Scale, Workshop


@pytest.mark.parametrize(("serialised", "expected"), [(None, 49), (8, 49), (4, 50), (2, 30)])
def test_passes_are_the_decoders(serialised: int | None, expected: int) -> None:
    """Those that decoding takes (`tests/runtime/test_decoder.py` counts them)."""
    assert serialised in NUMBERS
    assert passes(serialised) == expected


@pytest.mark.parametrize("sources", ["the same", "others"])
def test_what_all_are_judged_by_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: str
) -> None:
    """The same visits and logged pages for every number; other prompts would not be the same."""
    reads: list[str] = []

    def load(path: Path) -> SimpleNamespace:
        told = sources if path.name == "2" else "the same"
        return SimpleNamespace(
            name=path.name, vocabulary=SimpleNamespace(digest="v"), history_tokens=8, sources=told
        )

    def visits_of(_workshop: Workshop, checkpoint: SimpleNamespace) -> SimpleNamespace:
        reads.append(f"visits for {checkpoint.name}")
        return SimpleNamespace(members=np.arange(3))

    def read(_folder: object, checkpoint: SimpleNamespace, *_: object, **__: object) -> str:
        reads.append(f"pages for {checkpoint.name}")
        return "pages"

    monkeypatch.setattr(Workshop, "data", lambda _: None)
    monkeypatch.setattr(Workshop, "held_out", lambda _: ["2026-01-01"])
    monkeypatch.setattr(short_rows, "classified", lambda _, number=None: Path(str(number)))
    monkeypatch.setattr(short_rows, "Checkpoint", SimpleNamespace(load=load))
    monkeypatch.setattr(short_rows, "JudgedVisits", SimpleNamespace(of=visits_of))
    monkeypatch.setattr(short_rows, "_judged", lambda *_: [1.0, 2.0, 3.0])
    monkeypatch.setattr(short_rows, "read_pages", read)
    monkeypatch.setattr(short_rows, "score_places", lambda *_: (None, None))
    monkeypatch.setattr(short_rows, "auc_of", lambda *_, **__: Estimate(0.6, 0.5, 0.7))
    workshop = Workshop(tmp_path, Scale(), tell=lambda _: None)
    if sources != "the same":
        with pytest.raises(RuntimeError, match="different prompts"):
            short_rows.run(workshop)
        return
    found = short_rows.run(workshop)
    assert reads == ["visits for None", "pages for None"]
    assert {row.value for row in found.rows if row.series == "page reward"} == {2.0}
    assert len([row for row in found.rows if row.series == "entity AUC"]) == len(NUMBERS)
