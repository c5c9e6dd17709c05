"""A real ``genpage serve`` as a process of its own, with a bundle or with a fake engine.

``python -m benchmarks.serving`` takes the command line of ``genpage serve`` and decodes pages with
the fake engine of the tests, in Python: what is measured is then all but the model.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import httpx

from api.fake import FakeServed, fake_catalog
from deploy.services import Service
from genpage.cli import main as genpage
from runtime.model import LoadedModel


class Serving(Service):
    """Listens on loopback; ``arguments`` go to its command line."""

    name = "genpage"

    def __init__(self, folder: Path, bundle: Path | None, *arguments: str | Path) -> None:
        """Without a ``bundle``, the fake engine."""
        super().__init__(folder)
        module = ("genpage", "serve") if bundle is not None else ("benchmarks.serving",)
        self._module = (*module, "--bundle", str(bundle.resolve() if bundle else folder))
        self._arguments = arguments

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.AsyncClient:
        """A client of it."""
        return httpx.AsyncClient(base_url=self.url, timeout=60.0)

    def _command(self) -> Sequence[str | Path]:
        port = ("--port", str(self.port))
        return (sys.executable, "-m", *self._module, *port, *self._arguments)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/livez", timeout=1.0):  # noqa: S310 - our own
                return True
        except (HTTPError, URLError, OSError):
            return False


def main() -> None:
    """Serve with the fake engine."""
    served = FakeServed.of(fake_catalog(600, 20))
    LoadedModel.load = lambda *_, **__: served  # type: ignore[method-assign,assignment]  # that is the fake
    sys.argv[1:1] = ["serve"]
    genpage()


if __name__ == "__main__":
    main()
