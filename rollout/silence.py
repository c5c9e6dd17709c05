"""How long a replica has said nothing: one that died says nothing of that. Pure."""

from typing import Any, Final

# So often each says what stands, if nothing happens that it says at once.
REPEAT_S: Final = 60.0
# Several of its turns missed: it died, or cannot write.
SILENT_S: Final = 3 * REPEAT_S
_MINUTE_S: Final = 60.0

# A status as the board gives it: with ``said_at``, when its message was sent (Unix seconds).
Document = dict[str, Any]


def silence_s(status: Document, now: float) -> float | None:
    """Since a replica's latest status, seconds; None where it does not say when that was."""
    said_at = status.get("said_at")
    return max(0.0, now - said_at) if isinstance(said_at, int | float) else None


def is_silent(status: Document, now: float) -> bool:
    """Whether it should have said something since."""
    return (silence_s(status, now) or 0.0) > SILENT_S


def in_words(status: Document, now: float) -> str:
    """When it was heard last, for people."""
    silent = silence_s(status, now)
    if silent is None:
        return ""
    if silent > SILENT_S:
        return f"silent for {silent // _MINUTE_S:.0f} min"
    return f"{silent:.0f} s ago"
