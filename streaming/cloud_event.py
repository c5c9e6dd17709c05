"""CloudEvents 1.0 in Kafka's binary mode: the attributes are headers, the data is the value."""

from datetime import UTC, datetime

# Header names are strings, values UTF-8; Kafka lets a value be missing.
Headers = tuple[tuple[str, bytes], ...]
SOURCE = "urn:genpage"
JSON = "application/json"


def headers(kind: str, identifier: str, ts: float, *, data: bool = True) -> Headers:
    """The attributes of an event of type ``kind`` that happened at ``ts`` (Unix seconds).

    Without ``data`` no content type is given. A time that ISO 8601 cannot write is left out, which
    the specification allows.
    """
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": identifier,
        "ce_type": kind,
        "ce_source": SOURCE,
    }
    time = _iso(ts)
    if time is not None:
        attributes["ce_time"] = time
    if data:
        attributes["content-type"] = JSON
    return tuple((name, value.encode()) for name, value in attributes.items())


def attribute(headers: tuple[tuple[str, bytes | None], ...], name: str) -> str | None:
    """The value of a header, None where there is none or it is not text."""
    for known, value in headers:
        if known == name and value is not None:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None


def _iso(ts: float) -> str | None:
    try:
        return datetime.fromtimestamp(ts, UTC).isoformat()
    except (OverflowError, OSError, ValueError):
        return None
