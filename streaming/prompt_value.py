"""An encoded prompt as Redis holds it: a fixed head, three texts, then 4 bytes a token.

::

    "GPP1"  crc32 of what follows  anchor  lengths of the texts  numbers of tokens
    user id, vocabulary digest, context version
    summary tokens, history tokens       int32, little-endian
"""

import struct
import zlib

import numpy as np

from streaming.ports import CachedHistory

_MAGIC = b"GPP1"
_START = struct.Struct("<4sI")
_HEAD = struct.Struct("<dHHHII")
_TOKEN = np.dtype("<i4")


def encode(user_id: str, vocabulary: str, encoded: CachedHistory) -> bytes:
    """The value of one member and vocabulary."""
    texts = [text.encode() for text in (user_id, vocabulary, encoded.context_version)]
    tokens = (encoded.summary, encoded.history)
    rest = b"".join(
        [
            _HEAD.pack(encoded.anchor, *map(len, texts), *map(len, tokens)),
            *texts,
            *(part.astype(_TOKEN).tobytes() for part in tokens),
        ]
    )
    return _START.pack(_MAGIC, zlib.crc32(rest)) + rest


def decode(value: bytes, user_id: str, vocabulary: str) -> CachedHistory | None:
    """What was encoded; None for another member's or vocabulary's, another schema, or damage."""
    try:
        magic, crc = _START.unpack_from(value)
        anchor, *lengths, summary, history = _HEAD.unpack_from(value, _START.size)
    except struct.error:
        return None
    if magic != _MAGIC or zlib.crc32(memoryview(value)[_START.size :]) != crc:
        return None
    place = _START.size + _HEAD.size
    texts = []
    for length in lengths:
        texts.append(value[place : place + length].decode("utf-8", "replace"))
        place += length
    if texts[:2] != [user_id, vocabulary] or len(value) != place + 4 * (summary + history):
        return None
    # Views of the value, which nobody writes.
    tokens = np.frombuffer(value, _TOKEN, summary + history, place).astype(np.int32, copy=False)
    return CachedHistory(texts[2], anchor, tokens[:summary], tokens[summary:])
