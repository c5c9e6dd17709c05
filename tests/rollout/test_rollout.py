"""A rollout on a real engine: bundles come to serve by their strategy, and the way back."""

from collections.abc import Callable
from pathlib import Path

from replicas import Start

Another = Callable[[], Path]


async def test_an_announced_bundle_comes_to_serve(start: Start, another: Another) -> None:
    """Fetched, loaded, judged and activated; the one before stays for a rollback."""
    replica, bundle = await start(), another()
    before = replica.active
    attempt = await replica.take(bundle)
    assert (attempt.state, attempt.why) == ("active", None)
    assert replica.active == attempt.version
    assert replica.registry.previous is not None
    assert replica.registry.previous.version == before
    assert replica.events == [("loaded", attempt.version), ("activated", attempt.version)]
    told = replica.statuses[-1]
    assert told.bundle_uri == bundle.as_uri()
    assert told.active is not None
    assert told.previous is not None
    assert (told.active.version, told.previous.version) == (attempt.version, before)
    assert told.swap_s is not None
    numbers = replica.rollout.numbers
    assert numbers.last_activation_s is not None
    assert numbers.last_activation_s < 0.01
