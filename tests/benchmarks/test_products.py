"""The rate of a large product: of both kinds, and never nothing."""

import pytest

from benchmarks.products import rate
from runtime.manifest import Precision
from runtime.sessions import SessionSettings


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_every_precision_has_a_rate(precision: Precision) -> None:
    """Any processor multiplies more than a million numbers a second, and none a quadrillion."""
    assert 1e6 < rate(precision, SessionSettings(1), rounds=1) < 1e15
