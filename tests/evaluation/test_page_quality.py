"""``genpage evaluate page-quality``: what its table says."""

from rich.console import Console

from evaluation.intervals import Estimate
from evaluation.off_policy import OffPolicy
from evaluation.page_quality import Offline, Served
from evaluation.variety import Variety
from genpage.cli.page_quality import _table


def test_an_estimate_tells_how_many_pages_it_rests_on() -> None:
    """Off-policy weights may leave a handful of them; an interval alone would hide that."""
    one = Estimate(0.5, 0.25, 0.75)
    offline = Offline({"entity_auc": one}, {"ips_page": OffPolicy(one, 3.25, 300)}, dropped=0)
    served = Served(Variety(one, one, one, 0.1), None, None)
    console = Console(width=200)
    with console.capture() as told:
        console.print(_table({"c": offline}, {"c": served}, {}))
    (ips,) = [line for line in told.get().splitlines() if "ips_page" in line]
    assert "0.25 to 0.75; 3.2 of 300 pages count" in ips
    (auc,) = [line for line in told.get().splitlines() if "entity_auc" in line]
    assert "count" not in auc
