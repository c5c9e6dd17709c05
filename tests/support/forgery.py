"""Bundles changed after their export, with and without a manifest that covers it up."""

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

from runtime.verified import file_digest

# A JSON document: its values are whatever JSON holds.
Document = dict[str, Any]


def copied(bundle: Path, folder: Path) -> Path:
    """A copy to change."""
    return copytree(bundle, folder / "bundle")


def edit(path: Path, change: Callable[[Document], None]) -> None:
    """Change a JSON file in place."""
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document), "utf-8")


def cover_up(bundle: Path) -> None:
    """Make the manifest vouch for the files as they are now."""

    def renew(manifest: Document) -> None:
        for name in manifest["files"]:
            path = bundle / name
            manifest["files"][name] = {"sha256": file_digest(path), "bytes": path.stat().st_size}

    edit(bundle / "manifest.json", renew)
