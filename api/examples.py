"""The examples of the OpenAPI document. A test sends the bodies and checks the answers' shapes."""

from typing import Any, Final

from fastapi.openapi.models import Example

PAGE_ID: Final = "5f0c9d3e8a4b4c1e9f7d2b6a1c3e5d70"

PAGE_BODIES: Final[dict[str, Example]] = {
    "homepage": {"summary": "a homepage", "value": {"user_id": "m17"}},
    "evening": {
        "summary": "a short page for a television, at a given time",
        "value": {
            "user_id": "m17",
            "rows": 3,
            "entities_per_row": 5,
            "device": "tv",
            "locale": "en-NZ",
            "at": "2026-05-01T20:00:00+12:00",
            "deadline_ms": 2000,
        },
    },
}

EVENT_BODIES: Final[dict[str, Example]] = {
    "one": {
        "summary": "one event",
        "value": {"user_id": "m17", "entity_id": "e4", "action": "play", "duration_s": 1260.0},
    },
    "several": {
        "summary": "a list, taken whole or not at all",
        "value": [
            {
                "event_id": "c0ffee-1",
                "user_id": "m17",
                "entity_id": "e4",
                "action": "thumbs_up",
                "ts": 1777622400.0,
                "page_id": PAGE_ID,
                "row_id": "genre-drama",
                "row_pos": 0,
                "col_pos": 3,
            },
            {"user_id": "m18", "entity_id": "e9", "action": "add_to_list"},
        ],
    },
}

CHECKPOINT_BODIES: Final[dict[str, Example]] = {
    "immediate": {
        "summary": "a bundle of this machine, for everybody once it is checked",
        "value": {"bundle_uri": "file:///srv/bundles/20260501"},
    },
    "canary": {
        "summary": "for one member in ten at first",
        "value": {
            "bundle_uri": "s3://bundles/genpage/20260501",
            "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "rollout": {"strategy": "canary", "share": 0.1, "pages": 500, "seconds": 900},
        },
    },
}

_START: Final[dict[str, Any]] = {  # Any: JSON
    "page_id": PAGE_ID,
    "user_id": "m17",
    "model": {"version": "20260501-1", "digest": "9f86d081884c7d65"},
    "catalog_version": "a1b2c3d4e5f6",
    "context": {"version": "42", "age_ms": 1250.5, "known": True},
    "degraded": [],
}
_ROW: Final[dict[str, Any]] = {
    "index": 0,
    "row": {"id": "genre-drama", "title": "Dramas", "kind": "genre"},
    "entities": [
        {
            "id": "e4",
            "title": "The Long Tide",
            "kind": "film",
            "year": 2024,
            "genres": ["Drama"],
            "maturity": 12,
        }
    ],
    "timing": {"at_ms": 31.2},
}
PAGE: Final[dict[str, Any]] = {
    **_START,
    "entities_per_row": 1,
    "offset": 0,
    "state": "finished",
    "rows": [_ROW],
    "finish_reason": "complete",
    "timing": {"queue_ms": 0.2, "prefill_ms": 18.4, "decode_ms": 12.9, "total_ms": 31.5},
    "prompt_tokens": 412,
    "cached_prompt_tokens": 0,
    "forward_passes": 1,
}
STREAM: Final = f"""retry: 2000

event: page.start
id: {PAGE_ID}:0
data: {{"page_id":"{PAGE_ID}","user_id":"m17","rows":1}}

event: row
id: {PAGE_ID}:1
data: {{"index":0,"row":{{"id":"genre-drama","title":"Dramas","kind":"genre"}},"entities":[]}}

event: page.end
id: {PAGE_ID}:2
data: {{"rows":1,"finish_reason":"complete"}}

"""
