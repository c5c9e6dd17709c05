"""Drafts as they are counted: by kind, and by what they came to."""

from api.metrics import Metrics


def test_guesses_are_counted_on_from_what_was_told_before() -> None:
    """The engine tells sums since its start; a scrape in between loses and doubles nothing."""
    metrics = Metrics()
    metrics.guessed({"entity foretold": (3, 5)})
    metrics.guessed({"entity foretold": (3, 5)})
    metrics.guessed({"entity foretold": (7, 12), "fill": (0, 1)})
    told = {
        (kind, came): metrics.registry.get_sample_value(
            "genpage_draft_guesses_total", {"kind": kind, "came": came}
        )
        for kind in ("entity foretold", "fill")
        for came in ("right", "wrong")
    }
    assert told == {
        ("entity foretold", "right"): 7,
        ("entity foretold", "wrong"): 5,
        ("fill", "right"): 0,
        ("fill", "wrong"): 1,
    }
