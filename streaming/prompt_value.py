"""An encoded prompt as Redis holds it: a fixed head, two texts, then 4 bytes a token.

::

    "GPP2"  bytes in all  anchor  context revision  oldest  last     `lua/prompts.lua` rewrites it
    lengths of the texts  number of summary tokens  bytes that were encoded  their crc32
    user id, vocabulary digest
    summary tokens, history tokens       int32, little-endian

The history comes last, so that a script appends to it. The checksum is of what was encoded behind
the head: a script that does not read all of it could keep none up.
"""

import struct
import zlib

import numpy as np

from streaming.ports import CachedHistory

_MAGIC = b"GPP2"
_HEAD = struct.Struct("<4sIddIIHHIII")
_TOKEN = np.dtype("<i4")


def encode(user_id: str, vocabulary: str, encoded: CachedHistory) -> bytes:
    """The value of one member and vocabulary."""
    texts = [text.encode() for text in (user_id, vocabulary)]
    rest = b"".join(
        [*texts, *(part.astype(_TOKEN).tobytes() for part in (encoded.summary, encoded.history))]
    )
    head = _HEAD.pack(
        _MAGIC,
        _HEAD.size + len(rest),
        encoded.anchor,
        float(encoded.context_version),
        encoded.oldest,
        encoded.last,
        *map(len, texts),
        len(encoded.summary),
        len(rest),
        zlib.crc32(rest),
    )
    return head + rest


def decode(value: bytes, user_id: str, vocabulary: str) -> CachedHistory | None:
    """What was encoded; None for another member's or vocabulary's, another schema, or damage."""
    try:
        magic, size, anchor, revision, oldest, last, *lengths, summary, encoded, crc = (
            _HEAD.unpack_from(value)
        )
    except struct.error:
        return None
    checked = memoryview(value)[_HEAD.size : _HEAD.size + encoded]
    if (magic, size) != (_MAGIC, len(value)) or crc != zlib.crc32(checked):
        return None
    place = _HEAD.size
    texts = []
    for length in lengths:
        texts.append(value[place : place + length].decode("utf-8", "replace"))
        place += length
    count, odd = divmod(size - place, _TOKEN.itemsize)
    if texts != [user_id, vocabulary] or odd or not 0 <= summary <= count:
        return None
    if not abs(revision) < 2**53 or not abs(anchor) < 2**53:
        return None
    # Views of the value, which nobody writes.
    tokens = np.frombuffer(value, _TOKEN, count, place).astype(np.int32, copy=False)
    version = f"{revision:.0f}"
    return CachedHistory(version, anchor, tokens[:summary], tokens[summary:], oldest, last)
