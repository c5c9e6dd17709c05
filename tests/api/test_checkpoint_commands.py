"""What the checkpoint commands refuse before, and after, they speak to anybody."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import orjson
import pytest
from kafka_clients import plain_producer
from server_process import fresh_group
from tiny import tiny_bundle

from genpage.cli import run
from genpage.cli.admin_client import AdminClient
from genpage.documents import Document
from genpage.errors import GenPageError, NotFoundError, UnavailableError, UsageError
from rollout.announcement import Announcement
from streaming.broker import Broker
from streaming.checkpoint_board import Board
from streaming.missing_topics import create_missing
from streaming.topics import STATUS

NOT_ASKED = "not asked, silent for 5 min"


class Answers(BaseHTTPRequestHandler):
    """Says what it is told to."""

    status: ClassVar[int] = 200
    body: ClassVar[object] = None
    headers_sent: ClassVar[dict[str, str]] = {}
    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Any request."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append(self.path)
        content = orjson.dumps(self.body)
        self.send_response(self.status)
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - as its base names it

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def answering(status: int, body: object, **headers: str) -> Iterator[str]:
    """A server's address."""
    Answers.status, Answers.body, Answers.headers_sent, Answers.seen = status, body, headers, []
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_key_follows_no_redirect() -> None:
    """It would be shown to whoever the server names."""
    with answering(302, None, Location="/elsewhere") as url:
        with pytest.raises(UsageError, match="HTTP status 302"):
            AdminClient(url, "secret").get()
        assert Answers.seen == ["/admin/v1/checkpoints"]


@pytest.mark.parametrize("body", [[], {}, {"checkpoint": []}])
def test_an_answer_without_its_fields_is_no_genpage(body: object) -> None:
    """In words, not by a traceback."""
    with answering(200, body) as url, pytest.raises(UsageError, match="no GenPage server"):
        run(["checkpoints", "list", "--url", url])


def test_what_is_turned_away_is_not_called_announced() -> None:
    """The command fails, and says why."""
    bundle = tiny_bundle("fp32", random=False)
    body = {"id": "1", "state": "rejected", "why": "something newer was announced before"}
    with answering(202, body) as url, pytest.raises(GenPageError, match="something newer"):
        run(["checkpoints", "publish", str(bundle), "--url", url])


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--latency-ratio", "inf"),
        ("--latency-ratio", "1001"),
        ("--seconds", "1e9"),
        ("--cadence", "x" * 200),
    ],
)
def test_what_replicas_would_not_read_is_not_sent(flag: str, value: str) -> None:
    """The flag is named; nobody was asked."""
    bundle = tiny_bundle("fp32", random=False)
    with pytest.raises(UsageError, match=f"^{flag}: "):
        run(["checkpoints", "publish", str(bundle), flag, value, "--kafka", "127.0.0.1:1"])


async def test_a_broker_that_accepts_and_says_nothing_is_given_up() -> None:
    """Within the patience of the whole command."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        board = Board(Broker(f"127.0.0.1:{silent.getsockname()[1]}"), "genpage", patience_s=1.0)
        begun = time.monotonic()
        with pytest.raises(UnavailableError, match="does not answer"):
            await board.announcements()
        assert time.monotonic() - begun < 30.0


def test_versions_are_folded_and_not_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version can be copied out of a narrow terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    version = "v-2026-05-01-abcdef0123456789"
    attempt: dict[str, object] = {
        "version": version,
        "digest": "d" * 64,
        "state": "rejected",
        "why": "w " * 60,
    }
    attempt |= {"strategy": "immediate", "created_at": 1.0, "bundle_uri": "file:///x"}
    with answering(200, {"checkpoints": [attempt]}) as url:
        run(["checkpoints", "list", "--url", url])
    lines = capsys.readouterr().out.splitlines()
    first = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    assert "".join(first) == version


async def say(kafka: str, model: str, *said: tuple[str, str, float]) -> None:
    """Write statuses: who has v3, which version it had before, how many seconds ago."""

    def bundle(version: str) -> dict[str, str]:
        return {
            "version": version,
            "digest": f"{version[1:]:0>64}",
            "bundle_uri": f"file:///{version}",
        }

    await create_missing(Broker(kafka))
    now = time.time()
    async with plain_producer(kafka) as producer:
        for name, before, ago_s in said:
            replica = f"{model}-{name}"
            status = {"replica": replica, "model": model, "at": 1.0, "event": "activated"}
            status |= {"active": bundle("v3"), "previous": bundle(before)}
            at_ms = int((now - ago_s) * 1000)
            value, key = orjson.dumps(status), replica.encode()
            await producer.send_and_wait(STATUS.name, value, key, timestamp_ms=at_ms)


async def test_what_is_said_again_and_again_is_held_once(kafka: str) -> None:
    """A month of repetitions is no more to hold than what happened; it stands where it was last."""
    model = fresh_group()
    await say(
        kafka, model, *(("one", before, 60 - n) for n in range(20) for before in ("v1", "v2"))
    )
    one, other = await Board(Broker(kafka), model).statuses()
    assert (one["previous"]["version"], other["previous"]["version"]) == ("v1", "v2")
    assert time.time() - other["said_at"] == pytest.approx(41, abs=15)


async def test_a_month_is_read_only_for_what_today_does_not_name(
    kafka: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version of a replica that left long ago is found by it."""
    model = fresh_group()
    spans: list[float] = []
    statuses = Board.statuses

    async def counted(board: Board, since: float = 0.0) -> list[Document]:
        spans.append(since)
        return await statuses(board, since)

    monkeypatch.setattr(Board, "statuses", counted)
    await say(kafka, model, ("gone", "v1", 90_000), ("well", "v2", 5))
    where = ("--kafka", kafka, "--model-name", model, "--json")
    for version, whole in (("v2", 0), ("v3", 0), ("v1", 1)):
        spans.clear()
        await asyncio.to_thread(run, ["checkpoints", "activate", version, *where])
        assert orjson.loads(capsys.readouterr().out.splitlines()[-1])["version"] == version
        assert spans[1:] == [0.0] * whole
    with pytest.raises(NotFoundError, match="v9"):
        await asyncio.to_thread(run, ["checkpoints", "activate", "v9", *where])


async def test_a_replica_that_says_nothing_any_more_is_marked(
    kafka: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is listed as silent, and not asked what to go back to; who left yesterday is not there."""
    model = fresh_group()
    await say(kafka, model, ("gone", "v0", 90_000), ("dead", "v1", 300), ("well", "v2", 5))
    now = time.time()
    board = Board(Broker(kafka), model)
    announcement = Announcement("file:///v3", now - 10, f"{3:064d}", "v3").document()
    await board.announce(announcement)
    where = ("--kafka", kafka, "--model-name", model)
    await asyncio.to_thread(run, ["checkpoints", "status", *where, "--json"])
    replicas = orjson.loads(capsys.readouterr().out.splitlines()[-1])["replicas"]
    told = {each["replica"].removeprefix(f"{model}-"): each["silent"] for each in replicas}
    assert told == {"dead": True, "well": False}
    assert len(await board.statuses()) == 3
    await asyncio.to_thread(run, ["checkpoints", "rollback", *where, "--json"])
    went = orjson.loads(capsys.readouterr().out.splitlines()[-1])
    assert (went["version"], went["left_out"]) == ("v2", [f"{model}-dead: {NOT_ASKED}"])


async def test_a_rollback_names_who_is_not_asked(
    kafka: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """To people too, and where it does not go back: an operator may have to name the version."""
    model = fresh_group()
    await say(kafka, model, ("dead", "v1", 300))
    announcement = Announcement("file:///v3", time.time() - 10, f"{3:064d}", "v3").document()
    await Board(Broker(kafka), model).announce(announcement)
    rollback = ["checkpoints", "rollback", "--kafka", kafka, "--model-name", model]
    with pytest.raises(NotFoundError, match=f"activate VERSION\n  {model}-dead: {NOT_ASKED}$"):
        await asyncio.to_thread(run, rollback)
    await say(kafka, model, ("well", "v2", 5))
    await asyncio.to_thread(run, rollback)
    told = " ".join(capsys.readouterr().out.split())
    assert told == f"announced v2 anew, for every replica {model}-dead: {NOT_ASKED}"
