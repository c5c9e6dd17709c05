"""A peer's process: ``python -m benchmarks.peers.worker PEER DESCRIPTOR``.

The descriptor is a connection to the benchmark. What a library prints goes to standard error.
"""

import os
import sys
import traceback
from importlib.metadata import version
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from benchmarks.peers.known import KNOWN, Known
from benchmarks.peers.orders import (
    DecodePage,
    Failed,
    Load,
    Meet,
    Met,
    Order,
    Prepare,
)

if TYPE_CHECKING:
    from benchmarks.peers.peer import Peer


class Worker:
    """Carries out orders, with one model at a time."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._kind: type[Peer] | None = None
        self._peer: Peer | None = None

    def answer(self, order: Order) -> object:
        """Carry out an order; what goes wrong is an answer too."""
        try:
            return self._carried_out(order)
        except ModuleNotFoundError as error:
            return Failed(str(error), missing=True)
        except Exception as error:  # noqa: BLE001 - a library may raise anything
            traceback.print_exc()
            return Failed(f"{type(error).__name__}: {error}")

    def _carried_out(self, order: Order) -> object:
        if self._kind is None:
            self._kind = self._known.load()
        kind = self._kind
        match order:
            case Meet():
                return Met(kind.name, kind.precision, kind.valid, version(self._known.package))
            case Prepare():
                return kind.prepare(order.llama, order.folder)
            case Load():
                self._peer = kind.load(order.folder, order.threads)
                return None
        if self._peer is None:
            raise RuntimeError("no model was loaded")
        if isinstance(order, DecodePage):
            return self._peer.page(order.task, warm=order.warm)
        return self._peer.batch(order.tasks, warm=order.warm)


def main() -> None:
    """Answer until the benchmark closes the connection."""
    connection = Connection(int(sys.argv[2]))
    os.dup2(2, 1)
    worker = Worker(KNOWN[sys.argv[1]])
    while True:
        try:
            order = connection.recv()
        except EOFError:
            return
        connection.send(worker.answer(order))


if __name__ == "__main__":
    main()
