"""What a model may be judged on: days after all that it was trained on."""

import pytest

from evaluation.unseen import refuse_seen
from genpage.errors import UsageError


def test_a_day_is_unseen_from_the_evening_on() -> None:
    """The first day after the training's is; one before is not, whoever asks by which flag."""
    refuse_seen("2026-01-03", "2026-01-03", "--from")
    refuse_seen(None, "2026-01-01", "--day")
    with pytest.raises(UsageError, match=r"model was trained up to 2026-01-03, past --day 2026-01"):
        refuse_seen("2026-01-03", "2026-01-02", "--day", "model")
