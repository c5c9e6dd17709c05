"""``genpage daily --publish``: which days serving processes are told of, and in what words."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from daily_runs import DAYS

from genpage.cli import main
from genpage.cli.checkpoints import Publish
from rollout.announcement import Announcement
from training.journal import Journal


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
