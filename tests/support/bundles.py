"""Bundles that differ in their manifest alone: other versions and digests, made in no time."""

import hashlib
import itertools
from pathlib import Path
from shutil import copytree

from forgery import Document, edit

_NUMBERS = itertools.count(1)


def version_of(bundle: Path, folder: Path, version: str | None = None) -> Path:
    """A copy of a bundle under another version; ``folder`` is where it comes to lie."""
    number = next(_NUMBERS)
    name = version or f"v{number}"
    copy = copytree(bundle, folder / f"bundle-{number}")

    def rename(manifest: Document) -> None:
        manifest["version"] = name
        manifest["created_at"] += number

    edit(copy / "manifest.json", rename)
    return copy


def digest_of(bundle: Path) -> str:
    """The sha256 of its manifest."""
    return hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
