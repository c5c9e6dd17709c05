"""A laned trunk over a device's memory: tokens are copied in, hidden states out, KV stays there.

Legend: T tokens of a pass, W width.
"""

from collections import OrderedDict
from typing import Final

from runtime.arrays import FloatArray
from runtime.device import Device
from runtime.device_pool import DevicePool
from runtime.laned_trunk import Frame, LanedTrunk
from runtime.sessions import Buffer, Session

# Passes are of few lengths: drafts', and prompts' shares. So many lengths' buffers are kept.
_KEPT_LENGTHS: Final = 64


class DeviceTrunk(LanedTrunk):
    """What `LanedTrunk` is over arrays, over buffers. One thread calls it.

    ``total_sequence_length`` and ``lane_lengths`` stay in this process' memory, where the operators
    that take them read them; the number of tokens in each cache is read on the device.
    """

    def __init__(
        self, session: Session, pool: DevicePool, lanes: int, width: int, device: Device
    ) -> None:
        self._reached = [Buffer((1,), "int32", device) for _ in range(lanes)]
        super().__init__(session, pool, lanes, width)
        self._device = device
        self._staged: OrderedDict[int, Frame[Buffer]] = OrderedDict()

    def _pass(self, slots: tuple[int, ...], frame: Frame[FloatArray]) -> None:
        """Copy in, run, copy out: the graph has run when it returns."""
        staged = self._staged_for(frame)
        for buffer, reached in zip(self._reached, self._seqlens, strict=True):
            buffer.write(reached)
        staged.embedded.write(frame.embedded)
        self._binding(slots, staged).run()
        frame.hidden[...] = staged.hidden.read()

    def _reaching(self, lane: int) -> Buffer:
        return self._reached[lane]

    def _staged_for(self, frame: Frame[FloatArray]) -> Frame[Buffer]:
        shape = frame.embedded.shape  # (1, T, W)
        staged = self._staged.get(shape[1])
        if staged is None:
            staged = Frame(
                Buffer(shape, "float32", self._device), Buffer(shape, "float32", self._device)
            )
            self._staged[shape[1]] = staged
            if len(self._staged) > _KEPT_LENGTHS:
                self._staged.popitem(last=False)
        self._staged.move_to_end(shape[1])
        return staged
