"""Real Redis and Kafka on a machine without containers, for ``make services`` and for the tests.

``python deploy/services.py`` starts both on loopback, prints where they are and runs until Ctrl-C;
then nothing of them is left. ``--fetch`` only gets Kafka's jars. The tests hold the same classes.
"""

import argparse
import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn, Self

from deploy.tied import Tied

ROOT = Path(__file__).resolve().parents[1]
POM = ROOT / "deploy" / "kafka" / "pom.xml"
# Beside the packages: `make clean` need not fetch them again.
JARS = ROOT / ".venv" / "share"
_ANSWERS_S = 60.0
_ENDS_S = 15.0
_POLL_S = 0.02
# A Kafka ApiVersions request of version 0 with correlation id 1 and no client id.
_API_VERSIONS = bytes.fromhex("0000000a 0012 0000 00000001 ffff")


class ServiceError(RuntimeError):
    """A service is missing or does not start: which, and what to do."""


class Service(ABC):
    """One server process on a loopback port that it keeps over restarts, its files in ``folder``.

    A context manager: started when it is entered, ended by its process id when it is left.
    """

    name: str

    def __init__(self, folder: Path, port: int = 0) -> None:
        """``port`` 0 is any that is free."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._tied: Tied | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.kill()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of a service that was started."""
        if self._process is None:
            raise ServiceError(f"{self.name} was not started")
        return self._process.pid

    def start(self) -> None:
        """Start, and return once it answers; `ServiceError` with its last words where it ends."""
        if self.running:
            return
        log = self.folder / f"{self.name}.log"
        with log.open("ab") as out:
            # A session of its own: Ctrl-C is ours, and we end it.
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                self._command(), stdout=out, stderr=out, cwd=self.folder, start_new_session=True
            )
        if self._tied is not None:
            self._tied.loose()
        # It does not outlive us, whatever ends us.
        self._tied = Tied(self._process.pid)
        try:
            self._wait(self._process, log)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it as an operator would, and wait for that."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Hold it still: it accepts connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again after `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def _wait(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + _ANSWERS_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                last = log.read_text("utf-8", "replace")[-2_000:]
                raise ServiceError(f"{self.name} does not answer; its last words:\n{last}")
            time.sleep(_POLL_S)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(_ENDS_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._tied is not None:
            self._tied.loose()
            self._tied = None

    @abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """What to run."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it serves."""


class RedisServer(Service):
    """A Redis that keeps nothing on disk; ``options`` go to its command line."""

    name = "redis"

    def __init__(self, folder: Path, port: int = 0, *, options: Sequence[str] = ()) -> None:
        super().__init__(folder, port)
        self._options = tuple(options)

    @property
    def url(self) -> str:
        """Where it is, as `genpage serve --redis-url` takes it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _command(self) -> Sequence[str | Path]:
        server = which("redis-server", "apt-get install -y redis-server")
        where = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder))
        return (server, *where, "--save", "", "--appendonly", "no", *self._options)

    def _answers(self) -> bool:
        # An error (no password given) is an answer too.
        return _ask(self.port, b"PING\r\n")[:1] in {b"+", b"-"}


class KafkaBroker(Service):
    """A single KRaft node; topics are made by who uses them. Its log outlives a restart."""

    name = "kafka"

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        *,
        doors: Mapping[str, int] | None = None,
        settings: Mapping[str, str] | None = None,
        users: Sequence[str] = (),
    ) -> None:
        """``doors`` are further ports by security protocol, with the ``settings`` they need.

        ``users`` are SCRAM's, as Kafka's storage tool takes them.
        """
        super().__init__(folder, port)
        self._controller = free_port()
        self._doors = dict(doors or {})
        self._settings = dict(settings or {})
        self._users = tuple(users)

    @property
    def bootstrap(self) -> str:
        """Where it is, as `genpage serve --kafka` takes it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, with a freshly formatted log the first time."""
        if not self._log.exists():
            self._format()
        super().start()

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _java(self, heap: str) -> Sequence[str | Path]:
        java = which("java", "apt-get install -y default-jre-headless")
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return (java, heap, quiet, "-cp", f"{kafka_jars()}/*")

    def _format(self) -> None:
        doors = {"PLAINTEXT": self.port, "CONTROLLER": self._controller, **self._doors}
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "listeners": ",".join(f"{door}://127.0.0.1:{port}" for door, port in doors.items()),
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": ",".join(
                f"{door}:{'PLAINTEXT' if door == 'CONTROLLER' else door}" for door in doors
            ),
            "log.dirs": str(self._log),
            "log.retention.hours": "24",
            "log.segment.bytes": str(64 << 20),
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            # One node, and few partitions of the broker's own: it is up sooner.
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # What a killed server left open is closed soon, and its readers go on.
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
            **self._settings,
        }
        self._properties.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # With "=", since an id may begin with a hyphen.
        words = ("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}")
        tool = (*words, "-c", self._properties)
        users = (part for user in self._users for part in ("--add-scram", user))
        made = subprocess.run(  # noqa: S603 - our own command line
            [*self._java("-Xmx128m"), *tool, *users], capture_output=True, text=True, check=False
        )
        if made.returncode:
            shutil.rmtree(self._log, ignore_errors=True)
            raise ServiceError(f"kafka's log cannot be formatted:\n{made.stdout}{made.stderr}")

    def _command(self) -> Sequence[str | Path]:
        return (*self._java("-Xmx512m"), "kafka.Kafka", self._properties)

    def _answers(self) -> bool:
        return _ask(self.port, _API_VERSIONS)[4:8] == b"\0\0\0\1"


def kafka_jars() -> Path:
    """The folder of the jars that ``deploy/kafka/pom.xml`` names, fetched by Maven the first time.

    Made beside and moved into place: whoever finds it finds it whole.
    """
    folder = JARS / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    maven = which("mvn", "apt-get install -y maven")
    JARS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=JARS) as staging:
        fetched = Path(staging) / "lib"
        goal = ("dependency:copy-dependencies", f"-DoutputDirectory={fetched}")
        made = subprocess.run(  # noqa: S603 - our own command line
            [maven, "-q", "-B", "-f", POM, *goal], capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise ServiceError(f"Maven cannot fetch Kafka's jars:\n{made.stdout}{made.stderr}")
        try:
            fetched.rename(folder)
        except OSError:
            if not folder.exists():  # else somebody was sooner
                raise
    return folder


def which(command: str, remedy: str) -> str:
    """The command's path; `ServiceError` where it is missing."""
    path = shutil.which(command)
    if path is None:
        raise ServiceError(f"{command} is missing: run `make setup-services` (or `{remedy}`)")
    return path


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _ask(port: int, request: bytes) -> bytes:
    """The first bytes of the answer, none where there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
            connection.sendall(request)
            return connection.recv(64)
    except OSError:
        return b""


def _ended(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Start both, say where, wait for Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis-port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--kafka-port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--fetch", action="store_true", help="get Kafka's jars, start nothing")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, _ended)
    try:
        if asked.fetch:
            kafka_jars()
            return
        with ExitStack() as stack:
            base = ROOT / "var" / "services"
            base.mkdir(parents=True, exist_ok=True)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=base)))
            redis = stack.enter_context(RedisServer(folder / "redis", asked.redis_port))
            kafka = stack.enter_context(KafkaBroker(folder / "kafka", asked.kafka_port))
            print(f"genpage serve --redis-url {redis.url} --kafka {kafka.bootstrap}", flush=True)
            print(json.dumps({"redis": redis.url, "kafka": kafka.bootstrap}), flush=True)
            signal.pause()
    except ServiceError as error:
        sys.exit(f"services: {error}")
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
