"""When a part that is away is asked again."""

from streaming.breaker import Breaker


class Clock:
    """Seconds that pass when told to."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def state(breaker: Breaker) -> str:
    """The state, which mypy would take for unchanging."""
    return breaker.state


def opened(clock: Clock) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker(failures=2, pause_s=5.0, clock=clock)
    breaker.failed()
    breaker.failed()
    return breaker


def test_failures_in_a_row_open_it() -> None:
    """One alone does not, nor two with a success between them."""
    breaker = Breaker(failures=2, pause_s=5.0, clock=Clock())
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert state(breaker) == "closed"
    breaker.failed()
    assert state(breaker) == "open"


def test_one_probe_a_pause_goes_through() -> None:
    """Not before the pause is over, and not a second one beside it."""
    clock = Clock()
    breaker = opened(clock)
    clock.now = 4.9
    assert not breaker.probes()
    clock.now = 5.0
    assert breaker.probes()
    assert state(breaker) == "half-open"
    assert not breaker.probes()


def test_a_probe_that_fails_begins_another_pause() -> None:
    """The part is left alone again."""
    clock = Clock()
    breaker = opened(clock)
    clock.now = 5.0
    assert breaker.probes()
    breaker.failed()
    clock.now = 9.9
    assert (state(breaker), breaker.probes()) == ("open", False)
    clock.now = 10.0
    assert breaker.probes()


def test_a_probe_that_succeeds_closes_it() -> None:
    """All may ask again, and a failure counts from nothing."""
    clock = Clock()
    breaker = opened(clock)
    clock.now = 5.0
    assert breaker.probes()
    breaker.succeeded()
    assert not breaker.probes()
    breaker.failed()
    assert state(breaker) == "closed"


def test_a_late_success_closes_it_without_a_probe() -> None:
    """Somebody who asked before it opened was answered after all."""
    breaker = opened(Clock())
    breaker.succeeded()
    assert state(breaker) == "closed"
