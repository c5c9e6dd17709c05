"""Where a trunk runs: by which execution provider, over whose memory, in which precisions.

Nothing here imports onnxruntime: what it says of itself is handed in and judged. A device that
cannot be had is an error that names what is missing. onnxruntime itself would go on with the CPU:
it passes over a provider whose libraries it cannot load, and runs operators that a provider lacks
on the CPU (``session.disable_cpu_ep_fallback`` makes the latter an error of its own).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from genpage.errors import BundleError, DeviceError
from runtime.manifest import Precision

DeviceName = Literal["cpu", "cuda"]

CPU_PROVIDER: Final = "CPUExecutionProvider"
_INSTALL: Final = "install requirements/gpu.txt in an environment of its own (docs/performance.md)"


@dataclass(frozen=True, slots=True)
class Device:
    """What a trunk's sessions are made for.

    ``memory`` is where the KV lies, and what a pass reads and writes. ``in_place``: a graph reads
    and writes this process' own arrays where they are; elsewhere they are copied to it and from
    it. ``precisions`` are those that it has operators for.
    """

    name: DeviceName
    provider: str
    memory: Literal["cpu", "cuda"]
    in_place: bool
    precisions: tuple[Precision, ...]
    options: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def promises_exactness(self) -> bool:
        """Whether pages are promised to be the same bit for bit: on the CPU alone."""
        return self.name == "cpu"

    def check_available(self, providers: Sequence[str]) -> None:
        """Raise `DeviceError` unless the onnxruntime installed has the ``providers`` it takes."""
        if self.provider not in providers:
            raise DeviceError(
                f"--device {self.name} needs onnxruntime with {self.provider}; the one installed "
                f"has {_listed(providers)}: {_INSTALL}."
            )

    def check_held(self, providers: Sequence[str]) -> None:
        """Raise `DeviceError` unless a session made for it, which has these, runs on it first."""
        if not providers or providers[0] != self.provider:
            raise DeviceError(
                f"--device {self.name}: onnxruntime could not start {self.provider} and would run "
                f"on {_listed(providers)}; its libraries, a driver or a device are missing: "
                f"{_INSTALL}, and see that nvidia-smi lists a GPU."
            )

    def check_serves(self, precision: Precision) -> None:
        """Raise `BundleError` where it has no operators for a bundle of this precision."""
        if precision not in self.precisions:
            raise BundleError(
                f"the bundle is {precision}, and --device {self.name} serves "
                f"{' or '.join(self.precisions)}; export with --precision {self.precisions[0]}."
            )


CPU: Final = Device("cpu", CPU_PROVIDER, "cpu", in_place=True, precisions=("int8", "fp32", "fp16"))
# GroupQueryAttention has CUDA kernels for the half types alone, and uint8 x int8 products none.
CUDA: Final = Device(
    "cuda",
    "CUDAExecutionProvider",
    "cuda",
    in_place=False,
    precisions=("fp16", "bf16"),
    # The arena grows by what is asked for: the KV is a few large pieces, taken once.
    options={"device_id": "0", "arena_extend_strategy": "kSameAsRequested"},
)
DEVICES: Final[Mapping[DeviceName, Device]] = {"cpu": CPU, "cuda": CUDA}


def _listed(providers: Sequence[str]) -> str:
    return ", ".join(providers) or "none"
