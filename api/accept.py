"""Which of two media types a client prefers."""

from api import sse

_JSON = "application/json"


def wants_stream(accept: str | None) -> bool:
    """Whether ``Accept`` names the event stream, and JSON no more than that.

    Without the header, with ``*/*`` and with anything else, the answer is JSON.
    """
    weights = dict(_weighed(part) for part in (accept or "").split(","))
    stream = weights.get(sse.MEDIA_TYPE, 0.0)
    return stream > 0 and stream >= weights.get(_JSON, 0.0)


def _weighed(part: str) -> tuple[str, float]:
    media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
    try:
        return media_type, float(weight)
    except ValueError:
        return media_type, 0.0
