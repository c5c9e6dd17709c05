"""A real ``genpage serve`` as a process of its own, for tests that kill, hold and end servers."""

import signal
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import httpx

from deploy.services import Service


class ServerProcess(Service):
    """Listens on loopback; ``arguments`` go to its command line. Its log is in ``folder``.

    A context manager: it answers when entered, and is killed when left. Without ``--bundle`` it
    serves no pages, and everything else.
    """

    name = "genpage"

    def __init__(self, folder: Path, *arguments: str | Path, port: int = 0) -> None:
        super().__init__(folder, port)
        self._arguments = arguments

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, timeout_s: float = 30.0) -> httpx.AsyncClient:
        """A client of it."""
        return httpx.AsyncClient(base_url=self.url, timeout=timeout_s)

    def log(self) -> str:
        """What it said."""
        return (self.folder / f"{self.name}.log").read_text("utf-8", "replace")

    def end(self, within_s: float) -> int:
        """Send SIGTERM and wait: the exit code; `subprocess.TimeoutExpired` where it takes long."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(within_s)

    def _command(self) -> Sequence[str | Path]:
        command = (sys.executable, "-m", "genpage", "serve", "--port", str(self.port))
        return (*command, "--threads", "1", *self._arguments)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/livez", timeout=1.0) as answer:  # noqa: S310 - our own
                return bool(answer.status == 200)
        except (HTTPError, URLError, OSError):
            return False


async def parts(client: httpx.AsyncClient) -> dict[str, str]:
    """The state of each part, as ``/readyz`` tells it, ready or not."""
    found: dict[str, str] = (await client.get("/readyz")).json()["parts"]
    return found


def fresh_group() -> str:
    """A consumer group that nobody else is in."""
    return f"group-{uuid.uuid4().hex}"
