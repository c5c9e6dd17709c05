"""The browser's files: ``/`` is the homepage, ``/web/...`` what it loads, all from this host."""

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_SOURCES = {".py", ".pyc"}


class WebFiles(StaticFiles):
    """The files of the ``web`` folder, less its Python."""

    def lookup_path(self, path: str) -> tuple[str, "object | None"]:  # type: ignore[override]
        """Where a file is; Python sources are not files of the web."""
        if Path(path).suffix in _SOURCES:
            return "", None
        return super().lookup_path(path)

    def file_response(self, *arguments: object, **named: object) -> Response:
        """The file with the headers that keep a browser inside."""
        response = super().file_response(*arguments, **named)  # type: ignore[arg-type]
        response.headers.update(_HEADERS)
        return response


def install(app: FastAPI) -> None:
    """Serve the folder."""
    folder = Path(str(files("web")))

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return FileResponse(folder / "index.html", headers=_HEADERS)

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return FileResponse(folder / "favicon.svg", headers=_HEADERS)

    app.mount("/web", WebFiles(directory=folder))
