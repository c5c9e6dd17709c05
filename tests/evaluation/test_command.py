"""``genpage evaluate next-item`` on a small folder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pytest
import torch
from tiny import tiny_checkpoint

from dataset.day import day_of
from dataset.write import new_folder
from export.bundle import export_bundle
from genpage.cli import main
from genpage.entity import Entity
from genpage.row import Row
from model.trained_on import TrainedOn

DAY = 86_400.0
FIRST = 1_375_315_200.0  # 2013-08-01
DAYS = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty days of seeded events by twelve users."""
    folder = tmp_path_factory.mktemp("evaluate") / "data"
    generator = np.random.default_rng(0)
    with new_folder(folder) as writer:
        writer.entities([Entity(f"e{n}", "film", f"Film {n}") for n in range(60)])
        writer.rows([Row("all", "genre", "All")])
        profile = {"language": "en", "profile_type": "adult", "country": None, "maturity": 18}
        writer.profiles(
            pl.DataFrame([{"user_id": f"u{n}", **profile, "created_at": FIRST} for n in range(12)])
        )
        for day in range(DAYS):
            start = FIRST + day * DAY
            events = [
                {
                    "event_id": f"{day}-{n}",
                    "user_id": f"u{generator.integers(12)}",
                    "entity_id": f"e{int(generator.exponential(12)) % 60}",
                    "action": "play",
                    "ts": start + float(generator.uniform(0, DAY)),
                }
                for n in range(10)
            ]
            writer.events(day_of(start), pl.DataFrame(events))
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint that says it was trained in August, and its bundle."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    days = TrainedOn("2013-08-01", "2013-08-31")
    checkpoint = tiny_checkpoint(random=False)
    checkpoint = replace(checkpoint, lineage=replace(checkpoint.lineage, trained_on=days))
    checkpoint.save(folder / "checkpoint")
    export_bundle(checkpoint, folder / "bundle", precision="fp32")
    return {"checkpoint": folder / "checkpoint", "bundle": folder / "bundle"}


def document(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """The JSON document that the command prints."""
    main(["evaluate", "next-item", *arguments, "--json"])
    last = capsys.readouterr().out.splitlines()[-1]
    loaded: dict[str, object] = orjson.loads(last)
    return loaded


def test_json_has_the_contracts_shape(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last four weeks by default; each baseline with all slices and intervals."""
    found = document(["--data", str(data)], capsys)
    assert (found["from"], found["to"]) == ("2013-08-13", "2013-09-10")
    assert found["model"] is None
    baselines = found["baselines"]
    assert isinstance(baselines, dict)
    assert set(baselines) == {"popularity", "trending_7d", "trending_decay"}
    for report in baselines.values():
        assert set(report) == {"hr@10", "ndcg@10", "n", "ci95", "rested", "by_user"}
        low, high = report["ci95"]["hr@10"]
        assert 0 <= low <= report["hr@10"] <= high <= 1
        assert report["n"] > report["rested"]["n"] > 0
        assert report["by_user"]["n"] <= 12


def test_days_are_a_half_open_period(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two adjacent periods hold the events of both together."""
    counts = [
        document(["--data", str(data), "--from", first, "--to", last], capsys)["baselines"]
        for first, last in (
            ("2013-08-20", "2013-08-25"),
            ("2013-08-25", "2013-08-30"),
            ("2013-08-20", "2013-08-30"),
        )
    ]
    first, second, both = (count["popularity"]["n"] for count in counts)  # type: ignore[index]
    assert first + second == both > 0


def test_the_table_names_every_ranker(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without ``--json`` a table is printed."""
    main(["evaluate", "next-item", "--data", str(data)])
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("popularity", "trending_7d", "trending_decay"))


@pytest.mark.parametrize(
    ("first", "last", "seen"),
    [("2013-09-01", "2013-09-05", False), ("2013-08-31", "2013-09-05", True)],
)
@pytest.mark.parametrize("kind", ["checkpoint", "bundle"])
def test_days_that_the_model_was_trained_on_are_told(
    models: dict[str, Path],
    data: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    first: str,
    last: str,
    seen: bool,
) -> None:
    """A checkpoint and its bundle say the same days; figures over them are marked."""
    main(
        [
            *("evaluate", "next-item", "--data", str(data), f"--{kind}", str(models[kind])),
            *("--from", first, "--to", last, "--json"),
        ]
    )
    told = capsys.readouterr()
    found = orjson.loads(told.out.splitlines()[-1])
    assert found["trained_on"] == {
        "first": "2013-08-01",
        "last": "2013-08-31",
        "until": "2013-09-01",
    }
    assert found["seen"] is seen
    assert ("warning: the model was trained on 2013-08-01 to 2013-08-31" in told.err) is seen


def test_titles_known_by_content_alone_are_ranked_otherwise(
    models: dict[str, Path], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--without-ids`` takes the IDs away; the baselines, which have none, stay."""
    flags = ["--data", str(data), "--checkpoint", str(models["checkpoint"])]
    flags += ["--from", "2013-09-01", "--to", "2013-09-05"]
    with_ids, without = document(flags, capsys), document([*flags, "--without-ids"], capsys)
    assert (with_ids["without_ids"], without["without_ids"]) == (False, True)
    assert with_ids["baselines"] == without["baselines"]
    assert with_ids["model"] != without["model"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--from", "yesterday"], 2, "--from 'yesterday' is no day"),
        (["--from", "2013-09-01", "--to", "2013-09-01"], 2, "before --to"),
        (["--from", "2030-01-01", "--to", "2030-02-01"], 1, "no event to ask about"),
        (["--checkpoint", "a", "--bundle", "b"], 2, "give one"),
        (["--checkpoint", "nowhere"], 1, "nowhere"),
        (["--bundle", "nowhere"], 1, "nowhere"),
        (["--without-ids"], 2, "--without-ids asks a --checkpoint"),
    ],
)
def test_mistakes_are_told_in_one_line(
    data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    """What is wrong and what to do, and the right exit code."""
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "next-item", "--data", str(data), *arguments])
    assert stop.value.code == code
    err = capsys.readouterr().err
    assert says in err
    assert "Traceback" not in err
