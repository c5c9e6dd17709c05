"""``genpage daily`` and ``genpage train daily``: day after day, resumable at any of them."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest
import torch

from genpage.cli import main
from genpage.cli.checkpoints import Publish
from genpage.errors import UsageError
from model.checkpoint import Checkpoint
from rollout.announcement import Announcement
from training.journal import Journal

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")


def cycle(service: Path, start: Path, out: Path, to: str, *flags: str) -> None:
    """Run the days up to ``to``."""
    common = ["--data", str(service), "--from", str(start), "--out", str(out), "--pages", "4"]
    main(["daily", *common, "--to", to, "--no-bundles", "--json", *flags])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """A checkpoint's."""
    return dict(Checkpoint.load(folder).weights)


def test_a_stopped_run_goes_on(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two days, then the third: the journal and the weights of three days in one run."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    cycle(service, start, whole, "2026-01-05")
    cycle(service, start, parts, DAYS[3])
    # A day that was being written when the power went: it is not in the journal.
    (parts / "checkpoints" / DAYS[3]).mkdir(parents=True)
    cycle(service, start, parts, "2026-01-05", "--curves")
    printed = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert [line["day"] for line in printed["days"]] == list(DAYS[1:])
    assert set(printed["days"][-1]["older"]) == {"1", "7", "14"}
    assert printed["days"][-1]["older"]["1"]["questions"] > 0
    ours, theirs = (weights(run / "checkpoints" / DAYS[3]) for run in (whole, parts))
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[name]), name
    for line, other in zip(Journal(whole).lines(), Journal(parts).lines(), strict=True):
        assert line["before"] == other["before"]


def test_one_day_by_the_command_is_a_day_of_the_cycle(
    service: Path, start: Path, tmp_path: Path
) -> None:
    """``train daily`` writes what the cycle's first day does; a day seen twice is refused."""
    cycle(service, start, tmp_path / "run", DAYS[2])
    common = ["train", "daily", "--data", str(service), "--pages", "4", "--day", DAYS[1]]
    out = tmp_path / "day"
    main([*common, "--from", str(start), "--out", str(out), "--json"])
    theirs = weights(tmp_path / "run" / "checkpoints" / DAYS[1])
    for name, weight in weights(out).items():
        assert torch.equal(weight, theirs[name]), name
    with pytest.raises(SystemExit) as ended:
        main([*common, "--from", str(out), "--out", str(tmp_path / "again")])
    assert ended.value.code == 2


def test_a_bad_day_stops_the_run(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day far below the days before is not journalled: nothing is announced of it."""
    with pytest.raises(SystemExit) as ended:
        cycle(service, start, tmp_path, "2026-01-05", "--least", "50")
    assert ended.value.code == 1
    assert "not announced" in capsys.readouterr().err
    assert len(Journal(tmp_path).lines()) == 1


def test_a_bundle_that_int8_costs_members_too_much_stops_the_run(
    service: Path,
    start: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not written, and its day is not done."""
    for bound in ("LEAST_SHARED", "ENOUGH_SHARED"):
        monkeypatch.setattr(f"evaluation.rounding.{bound}", 1.1)
    with pytest.raises(SystemExit) as ended:
        cycle(service, start, tmp_path, DAYS[2], "--bundles", "--members", "2")
    assert ended.value.code == 1
    assert "int8 changes 2 members' pages" in " ".join(capsys.readouterr().err.split())
    assert not list((tmp_path / "bundles").iterdir())
    assert not Journal(tmp_path).lines()


def test_a_journal_cut_off_by_a_crash(tmp_path: Path) -> None:
    """Half a last line counts for nothing; a broken one in the middle is refused."""
    journal = Journal(tmp_path)
    journal.append({"day": DAYS[0]})
    journal.append({"day": DAYS[1]})
    with journal.path.open("ab") as file:
        file.write(b'{"day": "20')
    assert [line["day"] for line in journal.lines()] == list(DAYS[:2])
    journal.append({"day": DAYS[2]})
    assert [line["day"] for line in journal.lines()] == list(DAYS[:3])
    journal.path.write_bytes(b"nonsense\n" + journal.path.read_bytes())
    with pytest.raises(UsageError, match="unreadable"):
        journal.lines()


class KilledError(BaseException):
    """Stands for a process that ends without warning."""


@pytest.mark.parametrize("at", [1, 3])
def test_a_killed_pass_over_histories_goes_on_to_the_same_weights(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Killed after a batch; nothing stands under its name, and the second start ends the same."""
    monkeypatch.setattr("training.course.SAVE_EVERY", 2)
    flags = ["--size", "micro", "--to", DAYS[2], "--history-tokens", "128", "--questions", "16"]
    common = ["train", "histories", "--data", str(service), *flags, "--passes", "2", "--json"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    main([*common, "--out", str(whole)])
    with monkeypatch.context() as patch:
        stop_after(patch, at)
        with pytest.raises(KilledError):
            main([*common, "--out", str(killed)])
    assert not killed.exists()
    assert (killed.with_name("killed.partial") / "state.pt").exists() is (at > 1)
    main([*common, "--out", str(killed)])
    theirs = weights(whole)
    for name, weight in weights(killed).items():
        assert torch.equal(weight, theirs[name]), name
    assert not killed.with_name("killed.partial").exists()


@pytest.mark.parametrize(("flags", "expected"), [([], 4), (["--serialised", "0"], None)])
def test_a_new_model_of_histories_has_short_rows_too(
    service: Path, tmp_path: Path, flags: list[str], expected: int | None
) -> None:
    """As of every other command; one that goes on keeps them, and is refused others."""
    common = ["train", "histories", "--data", str(service), "--to", DAYS[2], "--json"]
    fresh = [*common, "--size", "micro", "--history-tokens", "128", "--first", DAYS[1]]
    main([*fresh, *flags, "--out", str(tmp_path / "a")])
    assert Checkpoint.load(tmp_path / "a").serialised == expected
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *common,
                "--serialised",
                "7",
                "--from",
                str(tmp_path / "a"),
                "--out",
                str(tmp_path / "b"),
            ]
        )
    assert ended.value.code == 2


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


def test_an_unfinished_pass_with_other_flags_is_refused(
    service: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The error names what differs."""
    common = ["train", "histories", "--data", str(service), "--size", "micro", "--to", DAYS[2]]
    with monkeypatch.context() as patch:
        stop_after(patch, 0)
        with pytest.raises(KilledError):
            main([*common, "--out", str(tmp_path / "c")])
    with pytest.raises(SystemExit):
        main([*common, "--out", str(tmp_path / "c"), "--lr", "1e-4"])
    assert "unfinished run with cadence" in capsys.readouterr().err


@dataclass
class Server:
    """Stands for a serving process: remembers the bundles that it was told of."""

    address: str
    told: list[dict[str, Any]] = field(default_factory=list)
    state: str = "announced"


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that takes announcements up, or as its ``state`` says."""

    class Admin(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            found.told.append(json.loads(self.rfile.read(length)) | {"path": self.path})
            body = json.dumps({"id": "1", "state": found.state, "why": "no room"}).encode()
            self.send_response(202)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    with HTTPServer(("127.0.0.1", 0), Admin) as http:
        found = Server(f"http://127.0.0.1:{http.server_port}")
        thread = Thread(target=http.serve_forever)
        thread.start()
        yield found
        http.shutdown()
        thread.join()


def manifest_of(bundle: Path) -> dict[str, Any]:
    """A bundle's manifest."""
    loaded: dict[str, Any] = json.loads((bundle / "manifest.json").read_bytes())
    return loaded


def test_a_day_is_announced_once_it_has_passed(
    service: Path, start: Path, tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bundle's folder and digest, as ``checkpoints publish`` sends them; a bad day's never."""
    common = ["daily", "--data", str(service), "--from", str(start), "--pages", "0"]
    common += ["--precision", "fp32", "--publish", server.address, "--json"]
    out = tmp_path / "run"
    main([*common, "--out", str(out), "--to", DAYS[2]])
    (told,) = server.told
    assert told["path"] == "/admin/v1/checkpoints"
    bundle = out / "bundles" / DAYS[1]
    assert told["bundle_uri"] == bundle.as_uri()
    (line,) = Journal(out).lines()
    assert line["announced"] == manifest_of(bundle)["version"]
    with pytest.raises(SystemExit):
        main([*common, "--out", str(out), "--to", DAYS[3], "--least", "50"])
    assert len(server.told) == 1
    assert [line["day"] for line in Journal(out).lines()] == [DAYS[1]]
    # A server that refuses it ends the run; the day is done again, and announced again.
    server.state = "rejected"
    with pytest.raises(SystemExit):
        main([*common, "--out", str(out), "--to", DAYS[3], "--least", "0"])
    assert "no room" in capsys.readouterr().err
    assert len(Journal(out).lines()) == 1
    server.state = "announced"
    main([*common, "--out", str(out), "--to", DAYS[3], "--least", "0"])
    assert len(Journal(out).lines()) == 2


def test_the_brokers_announcement_is_the_publish_commands(
    service: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By --kafka's address: version, parent and cadence stand in it, and replicas can read it."""
    told: list[Announcement] = []

    def announce(self: Publish, announcement: Announcement) -> dict[str, Any]:
        assert self.kafka == "broker:9092"
        told.append(Announcement.parse(announcement.document()))
        return announcement.document()

    monkeypatch.setattr(Publish, "announce", announce)
    common = ["daily", "--data", str(service), "--from", str(start), "--pages", "0"]
    common += ["--precision", "fp32", "--publish", "broker:9092", "--json"]
    main([*common, "--out", str(tmp_path / "run"), "--to", DAYS[2]])
    (announcement,) = told
    (line,) = Journal(tmp_path / "run").lines()
    manifest = manifest_of(tmp_path / "run" / "bundles" / DAYS[1])
    assert announcement.version == manifest["version"] == line["announced"]
    assert announcement.parent == manifest["parent"]
    assert announcement.cadence == "daily"


@pytest.mark.parametrize(
    "at",
    [
        "training.updates.Updates.checkpoint",
        "model.checkpoint.Checkpoint.save",
        "training.journal.Journal.append",
        "step",
    ],
)
def test_a_cycle_killed_anywhere_goes_on_to_the_same_weights(
    service: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """On its second day: while training, before and after it is written, before it is noted.

    Also where no older checkpoint is kept.
    """
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    cycle(service, start, whole, DAYS[3])
    cycle(service, start, killed, DAYS[2], "--keep", "1")

    def die(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        if at == "step":
            stop_after(patch, 0)
        else:
            patch.setattr(at, die)
        with pytest.raises(KilledError):
            cycle(service, start, killed, DAYS[3], "--keep", "1")
    assert len(Journal(killed).lines()) == 1
    cycle(service, start, killed, DAYS[3], "--keep", "1")
    theirs = weights(whole / "checkpoints" / DAYS[2])
    for name, weight in weights(killed / "checkpoints" / DAYS[2]).items():
        assert torch.equal(weight, theirs[name]), name


def test_days_that_are_missing_or_empty_are_gone_over(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day without a file and one without a line: nothing is asked, the next one is as usual."""
    data = tmp_path / "data"
    shutil.copytree(service, data)
    (data / "events" / f"{DAYS[1]}.parquet").unlink()
    (data / "impressions" / f"{DAYS[1]}.parquet").unlink()
    for table in ("events", "impressions"):
        file = data / table / f"{DAYS[2]}.parquet"
        pl.read_parquet(file).head(0).write_parquet(file)
    cycle(data, start, tmp_path / "run", "2026-01-05")
    lines = json.loads(capsys.readouterr().out.strip().splitlines()[-1])["days"]
    assert [line["day"] for line in lines] == list(DAYS[1:])
    assert [line["before"]["questions"] > 0 for line in lines] == [False, False, True]
    assert [line["questions"] > 0 for line in lines[:2]] == [False, False]


@pytest.mark.parametrize("command", [["daily"], ["train", "daily", "--day", DAYS[1]]])
def test_one_process_goes_through_the_days(
    command: list[str],
    service: Path,
    start: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Several, as torchrun starts them, would write over each other: refused, nothing written."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    flags = ["--data", str(service), "--from", str(start), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        main([*command, *flags])
    assert ended.value.code == 2
    assert "without torchrun" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["daily", "--to", "2027-01-01"], "--to 2027-01-01: the data ends with 2026-01-04"),
        (["train", "daily", "--day", "2026-01-05"], "--day 2026-01-05: the data ends with"),
        (["train", "daily", "--day", DAYS[3]], "2 days of data from 2026-01-02 on would be left"),
        (["train", "histories", "--first", "2030-01-01", "--to", "2031-01-01"], "the data ends"),
        (["train", "histories", "--first", "2030-01-01"], "must be a day before"),
        (["daily", "--to", "20270101"], "is no day"),
    ],
)
def test_days_that_have_not_come_and_gaps_are_refused(
    command: list[str],
    said: str,
    service: Path,
    start: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No model is held to have seen what is not there, or what it was not shown."""
    flags = ["--data", str(service), "--from", str(start), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit):
        main([*command, *flags])
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_other_flags_do_not_go_on_unheard(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What decides the days is asked for again as it was; before the first day anything goes."""
    cycle(service, start, tmp_path, DAYS[1])  # no day yet
    cycle(service, start, tmp_path, DAYS[2], "--seed", "1")
    with pytest.raises(SystemExit) as ended:
        cycle(service, start, tmp_path, DAYS[3])
    assert ended.value.code == 2
    assert "with --seed = 1, now 0" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(SystemExit):
        cycle(service, tmp_path / "checkpoints" / DAYS[1], tmp_path, DAYS[3], "--seed", "1")
    assert "with --from = " in " ".join(capsys.readouterr().err.split())
    assert len(Journal(tmp_path).lines()) == 1
    cycle(service, start, tmp_path, DAYS[3], "--seed", "1", "--least", "0")
    assert len(Journal(tmp_path).lines()) == 2


def test_other_data_does_not_go_on_unheard(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day that was learnt and is another now is named; who says that it may be, goes on."""
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(service, data)
    cycle(data, start, run, DAYS[3])
    before = Journal(run).lines()
    file = data / "events" / f"{DAYS[1]}.parquet"
    events = pl.read_parquet(file)
    events.filter(pl.col("user_id") != events["user_id"][0]).write_parquet(file)
    with pytest.raises(SystemExit) as ended:
        cycle(data, start, run, "2026-01-05")
    assert ended.value.code == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"learnt {DAYS[1]} from other data than --data holds now, 1 of its newest 2" in told
    assert "--changed-data goes on" in told
    assert Journal(run).lines() == before
    cycle(data, start, run, "2026-01-05", "--changed-data", "--least", "0")
    assert [line["day"] for line in Journal(run).lines()] == list(DAYS[1:])
    # It is noted: what was said once need not be said every day.
    cycle(data, start, run, "2026-01-05")


def test_a_day_that_comes_later_is_no_other_data(
    service: Path, start: Path, tmp_path: Path
) -> None:
    """A service's data grows: the run goes on with the day that its folder did not have."""
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(service, data)
    for table in ("events", "impressions"):
        (data / table / f"{DAYS[3]}.parquet").unlink()
    cycle(data, start, run, DAYS[3])
    for table in ("events", "impressions"):
        shutil.copy(service / table / f"{DAYS[3]}.parquet", data / table)
    cycle(data, start, run, "2026-01-05", "--least", "0")
    assert [line["day"] for line in Journal(run).lines()] == list(DAYS[1:])


def test_days_by_another_number_of_threads_are_told(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They go on, for no day is half done; that the run is not the same to the bit is said."""
    threads = torch.get_num_threads()
    try:
        cycle(service, start, tmp_path, DAYS[2], "--threads", "1")
        assert Journal(tmp_path).lines()[0]["threads"] == 1
        cycle(service, start, tmp_path, DAYS[2], "--threads", "1")
        assert "threads" not in capsys.readouterr().err
        cycle(service, start, tmp_path, DAYS[2], "--threads", "2")
        told = " ".join(capsys.readouterr().err.split())
        assert "were trained by 1 threads, now by 2" in told
        assert "--threads 1 keeps it the same" in told
    finally:
        torch.set_num_threads(threads)


def test_an_unknown_precision_is_refused(service: Path, start: Path, tmp_path: Path) -> None:
    """Not taken for int8."""
    with pytest.raises(SystemExit) as ended:
        cycle(service, start, tmp_path / "out", DAYS[2], "--precision", "fp16")
    assert ended.value.code == 2
    assert not (tmp_path / "out").exists()
