"""What a conversion was made of: the name of the folder that keeps it."""

import hashlib
from pathlib import Path

_DIGITS = 16


def made_of(*files: Path) -> str:
    """Another one where any of the files has changed: weights, or the code that converts them."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:_DIGITS]
