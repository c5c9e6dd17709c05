"""A message as aiokafka hands it out."""

from collections.abc import Sequence
from typing import Protocol

from streaming.messages import Message


class Record(Protocol):
    """``timestamp`` is in milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def message_of(topic: str, record: Record) -> Message:
    """The message that a record of ``topic`` is."""
    ts = record.timestamp / 1000
    return Message(topic, record.key, record.value, tuple(record.headers), ts)


def size_of(record: Record) -> int:
    """The bytes of its key and value."""
    return len(record.key or b"") + len(record.value or b"")
