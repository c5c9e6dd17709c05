"""A device's trunk against the CPU's: the code that a GPU is bound by, over buffers of the CPU.

`BOUND` is the CPU as a device whose memory is not this process' arrays: tokens are copied in,
hidden states out, and the KV lies in buffers.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from trunks import backend_of

from genpage.errors import BundleError, DeviceError
from runtime.arrays import FloatArray, IntArray
from runtime.bundle import Bundle
from runtime.chunk import Chunk
from runtime.device import CPU, CUDA
from runtime.device_pool import DevicePool
from runtime.golden import recorded_alike
from runtime.manifest import EXACT_PRECISIONS
from runtime.model import LoadedModel, LoadSettings
from runtime.offline import generate
from runtime.pool import KVShape
from runtime.sessions import Buffer, Session, SessionSettings
from runtime.trunk import TrunkBackend
from runtime.verdicts import Verdicts

BOUND = replace(CPU, in_place=False)
LENGTH = 90
SLOTS = 5
SIZES = (20, 1, 2, 7, 30)


@pytest.fixture(scope="module", params=[*EXACT_PRECISIONS, "fp16"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    """A bundle of each precision that a CPU can run, exported when its turn comes."""
    folder: Path = request.getfixturevalue(f"{request.param}_bundle")
    return Bundle.open(folder)


@pytest.fixture(scope="module")
def sequences(bundle: Bundle) -> IntArray:
    """(SLOTS, LENGTH) tokens, a sequence for each slot."""
    size = bundle.manifest.vocabulary_size
    return np.random.default_rng(4).integers(size, size=(SLOTS, LENGTH)).astype(np.int32)


def served(bundle: Bundle, *lanes: int, bound: bool = True) -> TrunkBackend:
    """A fresh backend, its memory bound as a device's is or in place."""
    settings = SessionSettings(1, device=BOUND if bound else CPU)
    return backend_of(bundle, *lanes, capacity=LENGTH, slots=SLOTS, settings=settings)


def fed(backend: TrunkBackend, sequences: IntArray, sizes: Sequence[int]) -> list[FloatArray]:
    """All hidden states of each slot's tokens, side by side, each cut elsewhere."""
    states: list[list[FloatArray]] = [[] for _ in sequences]
    ends, turn = [0] * len(sequences), 0
    while open_ := [slot for slot in range(len(sequences)) if ends[slot] < LENGTH]:
        chunks = []
        for slot in open_:
            part = sequences[slot, ends[slot] :][: sizes[(turn + slot) % len(sizes)]]
            chunks.append(Chunk(slot, ends[slot], part, scored=len(part)))
            ends[slot] += len(part)
        for slot, found in zip(open_, backend.forward(chunks), strict=True):
            states[slot].append(found.copy())
        turn += 1
    return [np.concatenate(parts) for parts in states]


@pytest.fixture(scope="module")
def whole(bundle: Bundle, sequences: IntArray) -> list[FloatArray]:
    """The slow twin: the arrays' own trunk where there is one, each sequence in one call."""
    backend = served(bundle, bound=False)
    return [
        backend.forward([Chunk(slot, 0, tokens, scored=LENGTH)])[0].copy()
        for slot, tokens in enumerate(sequences)
    ]


@pytest.mark.parametrize("lanes", [(1,), (1, 2, 4)])
def test_buffers_hold_what_arrays_hold(
    bundle: Bundle, sequences: IntArray, whole: list[FloatArray], lanes: tuple[int, ...]
) -> None:
    """Chunks of any length, single tokens too, alone and in lanes: the same hidden states."""
    given = fed(served(bundle, *lanes), sequences, SIZES)
    for left, right in zip(given, whole, strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_slot_is_gone_on_with_and_gone_back_in(
    bundle: Bundle, sequences: IntArray, whole: list[FloatArray]
) -> None:
    """What is bound as past and present is one buffer: later chunks see what earlier ones left."""
    backend = served(bundle)
    detour = np.concatenate([sequences[0, :40], sequences[1, :40]])
    backend.forward([Chunk(2, 0, detour)])
    states = backend.forward([Chunk(2, 40, sequences[0, 40:], scored=LENGTH - 40)])[0]
    np.testing.assert_array_equal(states, whole[0][40:])


def test_more_lengths_than_are_kept_change_nothing(
    bundle: Bundle,
    sequences: IntArray,
    whole: list[FloatArray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A length whose buffers were let go gets new ones."""
    monkeypatch.setattr("runtime.device_trunk._KEPT_LENGTHS", 2)
    given = fed(served(bundle), sequences[:1], (3, 4, 5, 3))
    np.testing.assert_array_equal(given[0], whole[0])


def test_pages_are_the_same_from_buffers(fp32_bundle: Path) -> None:
    """Of the golden members, through the engine."""
    models = [
        LoadedModel.load(fp32_bundle, LoadSettings(3, SessionSettings(1, device=device)))
        for device in (CPU, BOUND)
    ]
    members = [case.member for case in Bundle.open(fp32_bundle).golden]
    arrays, buffers = (list(generate(model, members)) for model in models)
    assert arrays == buffers
    assert all(model.exact for model in models)


def test_half_precision_takes_half_the_memory(fp32_bundle: Path, fp16_bundle: Path) -> None:
    """Of KV, a token; a bundle that is loaded has met its golden pages."""
    wide, half = (
        LoadedModel.load(folder, LoadSettings(2, SessionSettings(1)))
        for folder in (fp32_bundle, fp16_bundle)
    )
    assert half.backend.token_bytes * 2 == wide.backend.token_bytes


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_nothing_is_left_in_a_slot_that_was_dropped(dtype: str) -> None:
    """Neither in one that is fresh: zeros of every type."""
    pool = DevicePool(KVShape(2, 2, 32, 7), 3, dtype, CPU)
    other = Buffer((1, 2, 7, 32), dtype, CPU)
    for slot in range(3):
        caches = pool.slot(slot)
        assert len(caches) == 4
        for cache in caches:
            assert is_zero(cache)
            filled(cache, other)
            assert not is_zero(cache)
    pool.drop(1)
    assert [all(map(is_zero, pool.slot(slot))) for slot in range(3)] == [False, True, False]


def filled(cache: Buffer, other: Buffer) -> None:
    """Write ones, through a buffer of the same type."""
    ones = np.full(other.shape, 1, np.float32 if cache.kind == "float32" else np.uint16)
    kind = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type
    cache.value.update_inplace(kind(ones, other.value.element_type()))


def is_zero(cache: Buffer) -> bool:
    """Whether every bit is."""
    size = 4 if cache.kind == "float32" else 2
    count = int(np.prod(cache.shape)) * size
    return not any(ctypes.string_at(cache.value.data_ptr(), count))


def test_this_onnxruntime_has_no_cuda(fp16_bundle: Path) -> None:
    """A model asked for on CUDA is an error that names the provider: the CPU takes nothing over."""
    settings = LoadSettings(1, SessionSettings(1, device=CUDA))
    with pytest.raises(DeviceError, match=r"CUDAExecutionProvider.*requirements/gpu\.txt"):
        LoadedModel.load(fp16_bundle, settings)


def test_a_bundle_for_the_cpu_is_not_taken_to_cuda(int8_bundle: Path) -> None:
    """Its products have no kernels there, and onnxruntime would run them on the CPU."""
    with pytest.raises(BundleError, match="is int8, and --device cuda serves fp16 or bf16"):
        LoadedModel.load(int8_bundle, LoadSettings(1, SessionSettings(1, device=CUDA)))


def test_a_device_without_room_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """That says which flags make the KV smaller."""

    def refuse(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_shape_and_type", refuse)
    with pytest.raises(DeviceError, match=r"--warm-members.*out of memory"):
        DevicePool(KVShape(1, 1, 32, 4), 1, "float16", CUDA)


class PassedOver:
    """An onnxruntime whose CUDA libraries do not load: it warns in a log and takes the CPU."""

    def __init__(self, *_: object, providers: list[tuple[str, object]], **named: object) -> None:
        self.asked, self.fallback = providers, named["enable_fallback"]

    def get_providers(self) -> list[str]:
        """What it went on with."""
        return ["CPUExecutionProvider"]


def test_a_provider_that_onnxruntime_passes_over_is_an_error(
    fp16_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a session is made its providers are looked at."""
    builds = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: builds)
    monkeypatch.setattr(onnxruntime, "InferenceSession", PassedOver)
    monkeypatch.setattr("runtime.sessions._preload", lambda: None)
    with pytest.raises(DeviceError, match="could not start CUDAExecutionProvider"):
        Session(fp16_bundle / "trunk.onnx", SessionSettings(1, device=CUDA))


def test_an_operator_that_a_device_lacks_is_an_error(
    fp16_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions of a device are made so that onnxruntime moves no operator to the CPU."""
    entries: dict[str, str] = {}

    class Options(onnxruntime.SessionOptions):  # type: ignore[misc]  # it ships no types
        def add_session_config_entry(self, key: str, value: str) -> None:
            entries[key] = value

    monkeypatch.setattr(onnxruntime, "SessionOptions", Options)
    Session(fp16_bundle / "trunk.onnx", SessionSettings(1))
    assert "session.disable_cpu_ep_fallback" not in entries
    with pytest.raises(DeviceError):
        Session(fp16_bundle / "trunk.onnx", SessionSettings(1, device=CUDA))
    assert entries["session.disable_cpu_ep_fallback"] == "1"


def test_what_another_device_met_is_no_verdict(fp32_bundle: Path, tmp_path: Path) -> None:
    """Golden pages are made anew at each start where exactness is not promised."""
    elsewhere = replace(CUDA, provider=CPU.provider, memory="cpu", precisions=("fp32",))
    verdicts = Verdicts(tmp_path)
    settings = LoadSettings(1, SessionSettings(1, device=elsewhere), verdicts=verdicts)
    model = LoadedModel.load(fp32_bundle, settings)
    assert not verdicts.holds(model.digest)
    assert model.manifest.made_with["device"] == "cpu"
    assert not recorded_alike({**model.manifest.made_with, "device": "cuda"})
