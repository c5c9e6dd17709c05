"""The real services: they answer, come back on the same port, and leave nothing behind."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from deploy import services
from deploy.services import RedisServer, Service, ServiceError
from deploy.services import main as run_services


class Mute(Service):
    """A service that ends at once, with a word."""

    name = "mute"

    def _command(self) -> Sequence[str | Path]:
        return (sys.executable, "-c", "print('no such option')")

    def _answers(self) -> bool:
        return False


def test_a_service_comes_back_on_its_port(tmp_path: Path) -> None:
    """Killed and started again, it is where its clients look for it."""
    with RedisServer(tmp_path) as server:
        first, url = server.pid, server.url
        server.kill()
        assert not server.running
        server.start()
        assert (server.pid == first, server.url) == (False, url)
    assert not server.running


def test_a_service_that_does_not_start_says_why(tmp_path: Path) -> None:
    """Its last words stand in the error."""
    with pytest.raises(ServiceError, match="no such option"):
        Mute(tmp_path).start()


def test_a_missing_service_fails_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that needs it must not pass for want of it."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ServiceError, match=r"redis-server is missing.*make setup-services"):
        RedisServer(tmp_path).start()


def test_both_serve_until_they_are_interrupted() -> None:
    """`make services` prints both addresses and leaves no process and no file."""
    script = Path(services.__file__)
    base = services.ROOT / "var" / "services"
    before = set(base.iterdir()) if base.exists() else set()
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("genpage serve --redis-url redis://")
            where = json.loads(process.stdout.readline())
            ports = [int(re.findall(r":(\d+)", where[name])[0]) for name in ("redis", "kafka")]
            for port in ports:
                socket.create_connection(("127.0.0.1", port)).close()
        finally:
            os.kill(process.pid, signal.SIGINT)
    assert process.returncode == 0
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    assert (set(base.iterdir()) if base.exists() else set()) == before


def test_the_jars_are_fetched_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those there are need no Maven."""
    assert services.kafka_jars().is_dir()
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["services.py", "--fetch"])
    run_services()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_service_does_not_outlive_whoever_started_it(tmp_path: Path, how: signal.Signals) -> None:
    """Killed, a test run leaves no server behind; held still, the server goes all the same."""
    starter = (
        "import pathlib, time; from deploy.services import RedisServer; "
        f"server = RedisServer(pathlib.Path({str(tmp_path)!r})); server.start(); server.pause(); "
        "print(server.pid, flush=True); time.sleep(60)"
    )
    command = (sys.executable, "-c", starter)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert psutil.pid_exists(pid)
        process.send_signal(how)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(20)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
