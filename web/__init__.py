"""The homepage in the browser: static files, no build step, nothing fetched from elsewhere."""

from importlib.resources import files
from importlib.resources.abc import Traversable


def folder() -> Traversable:
    """The folder of the static files, `index.html` at its root."""
    return files(__name__)
