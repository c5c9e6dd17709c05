"""The study of short rows: how many passes it says that a page takes."""

import pytest

from evaluation.studies.short_rows import NUMBERS, passes


@pytest.mark.parametrize(("serialised", "expected"), [(None, 49), (8, 49), (4, 50), (2, 30)])
def test_passes_are_the_decoders(serialised: int | None, expected: int) -> None:
    """Those that decoding takes (`tests/runtime/test_decoder.py` counts them)."""
    assert serialised in NUMBERS
    assert passes(serialised) == expected
