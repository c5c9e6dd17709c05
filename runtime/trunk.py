"""The backend that serves: a bundle's trunk on onnxruntime, its KV slots updated in place."""

from collections.abc import Sequence
from pathlib import Path
from weakref import ref

from runtime.arrays import FloatArray, IntArray
from runtime.chunk import LEAST_TOKENS, Chunk
from runtime.device_pool import DevicePool
from runtime.device_trunk import DeviceTrunk
from runtime.laned_trunk import LanedTrunk
from runtime.lanes import passes
from runtime.pool import KVPool, KVShape
from runtime.sessions import SessionSettings
from runtime.signature import Signature
from runtime.tables import FusedTable
from runtime.trunk_sessions import trunk_sessions

# A call of one token gets a second one (`runtime.laned_trunk`): memory behind the capacity.
SPARE_TOKENS = LEAST_TOKENS - 1
_ITEMSIZES = {"float32": 4, "float16": 2, "bfloat16": 2}


class TrunkBackend:
    """`runtime.backend.Backend` over an exported trunk.

    Chunks of several slots share passes, as many as there are ``lanes`` for (`runtime.lanes`), and
    only tokens whose states are read are finished (`runtime.trimmed`).
    ``embeddings`` has a row of the trunk's width for each chunk's tokens.
    """

    def __init__(
        self,
        trunk: Path,
        signature: Signature,
        embeddings: FusedTable,
        *,
        capacity: int,
        slots: int,
        settings: SessionSettings,
        lanes: Sequence[int] = (1,),
        packed: Path | None = None,
    ) -> None:
        """``packed`` is where packed weights are written (`runtime.packing`)."""
        sessions = trunk_sessions(trunk, signature, settings, lanes, packed)
        self.trunk = trunk
        self.slots = slots
        self.capacity = capacity
        self._embeddings = embeddings
        # Earlier ones that are still in use: a page holds the snapshot that it began with.
        self._earlier: tuple[ref[FusedTable], ...] = ()
        cache = signature.inputs[-1].shape
        layers, kind = (len(signature.inputs) - 3) // 2, signature.inputs[-1].dtype
        shape = KVShape(
            layers, int(cache[1]), int(cache[3]), capacity + SPARE_TOKENS, _ITEMSIZES[kind]
        )
        width = int(signature.inputs[0].shape[-1])
        self._pool: KVPool | DevicePool
        self._trunks: dict[int, LanedTrunk]
        # One slot more: what a lane without a chunk writes into.
        if settings.device.in_place and kind == "float32":
            pool = self._pool = KVPool(shape, slots + 1)
            self._trunks = {n: LanedTrunk(held, pool, n, width) for n, held in sessions.items()}
        else:
            device = settings.device
            apart = self._pool = DevicePool(shape, slots + 1, kind, device)
            self._trunks = {
                n: DeviceTrunk(held, apart, n, width, device) for n, held in sessions.items()
            }

    def use(self, embeddings: FusedTable) -> None:
        """Take a newer table, of the same rows where both know a token.

        May be called beside a running pass. What this one does not know is looked up in earlier
        ones, as long as somebody holds them.
        """
        earlier = (ref(self._embeddings), *self._earlier)
        self._earlier = tuple(each for each in earlier if each() is not None)
        self._embeddings = embeddings

    @property
    def token_bytes(self) -> int:
        """What a token in a slot takes of memory."""
        return self._pool.token_bytes

    def drop(self, slot: int) -> None:
        """Give a slot's memory back to the machine."""
        self._pool.drop(slot)

    def forward(self, chunks: Sequence[Chunk]) -> list[FloatArray]:
        """Per chunk the hidden states (scored, width); see `runtime.backend.Backend`."""
        for chunk in chunks:
            if not 0 <= chunk.start < chunk.end <= self.capacity:
                raise RuntimeError(
                    f"tokens {chunk.start} to {chunk.end} do not fit a slot of {self.capacity}. "
                    "This is a bug."
                )
        states: list[FloatArray] = []
        for lanes in passes(len(chunks), tuple(self._trunks)):
            share = chunks[len(states) : len(states) + lanes]
            embedded = [self._embedded(chunk.tokens) for chunk in share]
            states += self._trunks[lanes].run(share, embedded)
        return states

    def _embedded(self, tokens: IntArray) -> FloatArray:
        """(n, width). A page's tokens are of one vocabulary: who knows the highest knows all."""
        highest = int(tokens.max())
        for table in (self._embeddings, *(each() for each in self._earlier)):
            if table is not None and table.knows(highest):
                return table.at(tokens)
        raise RuntimeError(f"token {highest} is in no table in use. This is a bug.")
