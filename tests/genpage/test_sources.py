"""Sources by name."""

import pytest

from genpage.errors import UsageError
from genpage.sources import EVERYTHING, SOURCES, Sources


def test_sources_are_switched_off_by_name() -> None:
    """What is named is off, all else is on; an unknown name is refused with the list."""
    assert Sources.without(["new", "trending"]).off == ("new", "trending")
    assert Sources.without(SOURCES).off == SOURCES
    assert Sources.without([]) == EVERYTHING
    with pytest.raises(UsageError, match="in_session"):
        Sources.without(["weather"])
