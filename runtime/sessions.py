"""onnxruntime sessions: the one module that imports onnxruntime.

A `Session` runs a graph over memory that is bound to it. On the CPU provider an ``OrtValue`` made
from a NumPy array is that array's memory, not a copy, so a graph whose ``past`` and ``present``
are bound to the same array updates it in place. Elsewhere an array would be copied once, as it is
bound, and what is written into it later would not be seen: there a `Buffer` is bound, which keeps
its address and is written and read by copies.
"""

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto

from genpage.errors import BundleError, DeviceError, UsageError
from runtime.cores import started_on
from runtime.device import CPU, CPU_PROVIDER, Device

# What onnxruntime calls types, by name, and of what they are written: NumPy has no bfloat16.
TYPES: Final[dict[str, tuple[int, type[np.generic]]]] = {
    "float32": (TensorProto.FLOAT, np.float32),
    "int32": (TensorProto.INT32, np.int32),
    "int64": (TensorProto.INT64, np.int64),
    "float16": (TensorProto.FLOAT16, np.uint16),
    "bfloat16": (TensorProto.BFLOAT16, np.uint16),
}
_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
# Smaller tensors stay in the graph.
_PAGE = 4096
_QUIET = 4  # fatal only: an error is raised as well, and is told where it is caught


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """``threads`` of a graph's own pool, 0 for one a core.

    ``spinning``: while the graph runs they wait for their next part by polling. A pass has some
    hundred parts, and waking a sleeping thread for each takes up to a third of its time (``genpage
    bench trunk --spinning off``). Between two runs nobody polls: the cores are the event loop's.
    Beside processes that leave no core free it takes half as long again (docs/performance.md).
    ``cores`` are those that its threads stay on, where there are any (`runtime.cores`). None of
    these changes a result; ``device`` does.
    """

    threads: int = 0
    spinning: bool = True
    cores: tuple[int, ...] = ()
    device: Device = CPU

    def __post_init__(self) -> None:
        if self.threads < 0:
            raise UsageError(f"threads must be 0 (one a core) or more, not {self.threads}.")


class Session:
    """A graph ready to run. One thread calls it."""

    def __init__(
        self, source: Path | bytes, settings: SessionSettings, *, weights: Path | None = None
    ) -> None:
        """Load a graph from a file (with its external data beside it) or from memory.

        ``weights`` is the folder with the external data of one from memory. Raises `BundleError`
        where onnxruntime refuses it.
        """
        options = _options(settings)
        if weights is not None:
            options.add_session_config_entry(_WEIGHTS_FOLDER, str(weights))
        self._session = _loaded(source, options, settings)

    def bind(self) -> "Binding":
        """A new set of bindings, empty."""
        return Binding(self._session)


class Buffer:
    """Memory of a device that keeps its address, for a graph to read, to write, or both.

    What is in it at first is nobody's to read.
    """

    def __init__(self, shape: tuple[int, ...], dtype: str, device: Device) -> None:
        self.shape, self.kind = shape, dtype
        try:
            # Any: onnxruntime ships no types.
            self.value: Any = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
                list(shape), TYPES[dtype][0], device.memory, 0
            )
        except Exception as error:  # its own exceptions share no base but Exception
            raise DeviceError(
                f"--device {device.name}: its memory has no room for the KV of all slots; give "
                f"fewer --warm-members or a smaller --max-batch ({error})."
            ) from error

    def write(self, array: NDArray[Any]) -> None:
        """Copy an array of the same shape and type into it."""
        self.value.update_inplace(array)

    def read(self) -> NDArray[Any]:
        """A copy of what is in it."""
        array: NDArray[Any] = self.value.numpy()
        return array

    def clear(self) -> None:
        """Overwrite it with zeros."""
        kind, written = TYPES[self.kind]
        zeros = np.zeros(self.shape, written)
        self.value.update_inplace(
            onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(zeros, kind)
        )


class Mapped:
    """An array (C-contiguous) as a graph is bound to it: its own memory, not a copy.

    Making one takes longer than binding it: what is bound again and again is kept as one.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        if not array.flags.c_contiguous:
            raise RuntimeError("a graph is bound to memory with gaps. This is a bug.")
        self.array, self.shape = array, array.shape
        # Any: onnxruntime ships no types.
        self.value: Any = onnxruntime.OrtValue.ortvalue_from_numpy(array)


# What a graph can be bound to.
Memory = NDArray[Any] | Mapped | Buffer


class Binding:
    """Which memory a graph reads and writes. Holds references to all that is bound."""

    # Any: onnxruntime ships no types.
    def __init__(self, session: Any) -> None:  # noqa: ANN401
        self._session = session
        self._binding = session.io_binding()
        self._held: dict[str, Mapped | Buffer] = {}

    def input(self, name: str, memory: Memory) -> None:
        """Have the graph read ``memory``, as it is at each run."""
        self._binding.bind_ortvalue_input(name, self._hold(name, memory).value)

    def output(self, name: str, memory: Memory) -> None:
        """Have the graph write into ``memory``."""
        self._binding.bind_ortvalue_output(name, self._hold(name, memory).value)

    def run(self) -> None:
        """Run the graph over what is bound."""
        self._session.run_with_iobinding(self._binding)

    def release(self, *outputs: str) -> None:
        """Hold the outputs no longer: all that are bound, by name."""
        self._binding.clear_binding_outputs()
        for name in outputs:
            del self._held[name]

    def _hold(self, name: str, memory: Memory) -> Mapped | Buffer:
        held = Mapped(memory) if isinstance(memory, np.ndarray) else memory
        self._held[name] = held
        return held


def write_packed(graph: Path, settings: SessionSettings, folder: Path) -> Path:
    """Write a graph as this machine runs it, its weights packed for this CPU; returns its path.

    Sessions of what is written map the one file of weights and copy none of it, where each that is
    made of the original packs a copy of its own. It is good for this machine alone.
    """
    options = _options(settings)
    packed = folder / graph.name
    options.optimized_model_filepath = str(packed)
    for name, value in (
        ("optimized_model_external_initializers_file_name", f"{graph.name}.packed"),
        ("optimized_model_external_initializers_min_size_in_bytes", str(_PAGE)),
        ("save_external_prepacked_constant_initializers", "1"),
    ):
        options.add_session_config_entry(f"session.{name}", value)
    _loaded(graph, options, settings)
    return packed


def _options(settings: SessionSettings) -> Any:  # noqa: ANN401 - onnxruntime ships no types
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _QUIET
    spinning = "1" if settings.spinning else "0"
    options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    options.add_session_config_entry("session.force_spinning_stop", "1")  # as a run ends
    if settings.device.provider != CPU_PROVIDER:
        # An operator that the device lacks is an error, no detour.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def _loaded(
    source: Path | bytes,
    options: Any,  # noqa: ANN401 - onnxruntime ships no types
    settings: SessionSettings,
) -> Any:  # noqa: ANN401 - likewise
    device = settings.device
    check_available(device)
    try:
        with started_on(settings.cores):
            session = onnxruntime.InferenceSession(
                source if isinstance(source, bytes) else str(source),
                options,
                providers=[(device.provider, dict(device.options))],
                # Its own way out of trouble is another provider.
                enable_fallback=0,
            )
    except Exception as error:  # its own exceptions share no base but Exception
        name = "a graph" if isinstance(source, bytes) else str(source)
        raise BundleError(f"onnxruntime cannot load {name}: {error}") from error
    device.check_held(session.get_providers())
    return session


def check_available(device: Device) -> None:
    """Raise `DeviceError` where the onnxruntime installed cannot run on the device."""
    device.check_available(onnxruntime.get_available_providers())
    if device.provider != CPU_PROVIDER:
        _preload()


@cache
def _preload() -> None:
    """Load CUDA's libraries where they came as wheels, which the loader does not look into."""
    with redirect_stdout(sys.stderr):  # it tells of those that are missing
        onnxruntime.preload_dlls()


def runtime_version() -> str:
    """Onnxruntime's version, for the manifest."""
    return str(onnxruntime.__version__)
