"""Choosing: against a full sort of everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genpage.errors import ArtefactError
from runtime.selection import top

# Few distinct values, so that ties fall on every boundary; infinities are values like others.
VALUES = st.lists(
    st.sampled_from([-np.inf, -2.0, -0.0, 0.0, 0.5, 3.0, np.inf]), min_size=1, max_size=40
)


@given(VALUES, st.data())
def test_top_is_what_a_full_sort_puts_first(values: list[float], data: st.DataObject) -> None:
    """Any count of any values: by value descending, then by index."""
    size = len(values)
    allowed = np.array(sorted(data.draw(st.sets(st.integers(0, 99), min_size=size, max_size=size))))
    count = data.draw(st.integers(1, size))
    order = sorted(range(size), key=lambda place: (-values[place], place))
    chosen = top(np.array(values, np.float32), allowed.astype(np.int32), count)
    assert chosen.tolist() == [int(allowed[place]) for place in order[:count]]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_score_that_is_no_number_is_refused(count: int) -> None:
    """NaN anywhere among the allowed is a broken bundle, said so."""
    values = np.array([1.0, np.nan, 2.0], np.float32)
    with pytest.raises(ArtefactError, match="not a number"):
        top(values, np.arange(3, dtype=np.int32), count)


@pytest.mark.parametrize("count", [0, 3])
def test_more_than_is_allowed_cannot_be_chosen(count: int) -> None:
    """Asking for none or for too many is a caller's bug."""
    with pytest.raises(RuntimeError, match="This is a bug"):
        top(np.array([1.0, 2.0], np.float32), np.arange(2, dtype=np.int32), count)
