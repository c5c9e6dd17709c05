"""KV memory on a device: a slot's caches are buffers, taken at once, which keep their address."""

from runtime.device import Device
from runtime.pool import KVShape
from runtime.sessions import Buffer


class DevicePool:
    """Keys and values of all slots, ``2 * layers`` buffers (1, kv heads, length, head dim) each.

    What `runtime.pool.KVPool` is in this process' memory. A device has no pages that it takes as
    they are written: all of it is taken here, and `drop` gives nothing back.
    """

    def __init__(self, shape: KVShape, slots: int, dtype: str, device: Device) -> None:
        self.slots = slots
        self.token_bytes = shape.token_bytes
        each = (1, shape.kv_heads, shape.length, shape.head_dim)
        self._caches = [
            [Buffer(each, dtype, device) for _ in range(2 * shape.layers)] for _ in range(slots)
        ]
        # A kernel may multiply what lies behind a slot's tokens by nought: no number times nought
        # is no number.
        for slot in range(slots):
            self.drop(slot)

    def slot(self, slot: int) -> list[Buffer]:
        """The slot's caches."""
        return self._caches[slot]

    def drop(self, slot: int) -> None:
        """Overwrite a slot: nothing of what it held is left anywhere."""
        for cache in self._caches[slot]:
            cache.clear()
