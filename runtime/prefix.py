"""Whose KV an entry of the prefix cache is, and how much of it another prompt shares."""

from dataclasses import dataclass

from runtime.arrays import IntArray


@dataclass(frozen=True, slots=True)
class PrefixKey:
    """Only entries of an equal key may be reused: same bundle digest, same member."""

    digest: str
    member: str


def common_prefix(left: IntArray, right: IntArray) -> int:
    """The number of leading tokens in which ``left`` (n,) and ``right`` (m,) agree."""
    length = min(len(left), len(right))
    differs = left[:length] != right[:length]
    first = int(differs.argmax()) if length else 0
    return first if length and differs[first] else length
