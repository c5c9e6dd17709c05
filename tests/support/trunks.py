"""A bundle's trunk in a backend of its own."""

from runtime.bundle import Bundle
from runtime.sessions import SessionSettings
from runtime.trunk import TrunkBackend

ALONE = SessionSettings(1)


def backend_of(
    bundle: Bundle,
    *lanes: int,
    capacity: int,
    slots: int = 1,
    settings: SessionSettings = ALONE,
) -> TrunkBackend:
    """A fresh one, with a graph for each number of ``lanes``; for one, where none is given."""
    return TrunkBackend(
        bundle.contents.trunk,
        bundle.manifest.trunk.signature,
        bundle.contents.lexicon.inputs,
        capacity=capacity,
        slots=slots,
        settings=settings,
        lanes=lanes or (1,),
    )
