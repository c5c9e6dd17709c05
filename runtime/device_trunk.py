"""A laned trunk over a device's memory: tokens are copied in, hidden states out, KV stays there.

Legend: T tokens of a pass, S of them scored, W width.
"""

from collections import OrderedDict
from typing import Final

from runtime.device import Device
from runtime.device_pool import DevicePool
from runtime.laned_trunk import Frame, LanedTrunk
from runtime.sessions import Buffer, Mapped, Session

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
        self._staged: OrderedDict[tuple[int, int], Frame[Buffer]] = OrderedDict()

    def _pass(self, slots: tuple[int, ...], frame: Frame[Mapped]) -> None:
        """Copy in, run, copy out: the graph has run when it returns."""
        staged = self._staged_for(frame)
        for buffer, reached in zip(self._reached, self._seqlens, strict=True):
            buffer.write(reached)
        staged.embedded.write(frame.embedded.array)
        staged.scored.write(frame.scored.array)
        self._binding(slots, staged).run()
        frame.hidden.array[...] = staged.hidden.read()

    def _reaching(self, lane: int) -> Buffer:
        return self._reached[lane]

    def _staged_for(self, frame: Frame[Mapped]) -> Frame[Buffer]:
        embedded, scored, hidden = frame.embedded.shape, frame.scored.shape, frame.hidden.shape
        lengths = (embedded[1], scored[0])  # T, S
        staged = self._staged.get(lengths)
        if staged is None:
            staged = self._staged[lengths] = Frame(
                Buffer(embedded, "float32", self._device),
                Buffer(scored, "int64", self._device),
                Buffer(hidden, "float32", self._device),
            )
            if len(self._staged) > _KEPT_LENGTHS:
                self._staged.popitem(last=False)
        self._staged.move_to_end(lengths)
        return staged
