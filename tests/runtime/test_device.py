"""Devices: what cannot be had is named, in one line that says what to do."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from genpage.errors import BundleError, DeviceError, UsageError
from runtime.device import CPU, CUDA, DEVICES, Device
from runtime.manifest import Precision

GPU_BUILD = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
CPU_BUILD = ("AzureExecutionProvider", "CPUExecutionProvider")


def said(call: Callable[[], None]) -> str:
    """The error's message."""
    with pytest.raises(DeviceError) as caught:
        call()
    return str(caught.value)


def test_a_library_without_the_provider_is_named() -> None:
    """Which provider, what there is instead, and what to install."""
    message = said(lambda: CUDA.check_available(CPU_BUILD))
    for part in ("--device cuda", "CUDAExecutionProvider", *CPU_BUILD, "requirements/gpu.txt"):
        assert part in message
    assert "\n" not in message
    CUDA.check_available(GPU_BUILD)


@pytest.mark.parametrize(
    "held", [("CPUExecutionProvider",), ("CPUExecutionProvider", "CUDAExecutionProvider"), ()]
)
def test_a_session_that_went_elsewhere_is_refused(held: tuple[str, ...]) -> None:
    """Be the provider passed over, behind another, or the list empty."""
    message = said(lambda: CUDA.check_held(held))
    assert "CUDAExecutionProvider" in message
    assert "nvidia-smi" in message
    CUDA.check_held(("CUDAExecutionProvider", "CPUExecutionProvider"))


def test_the_cpu_is_always_had() -> None:
    """By either build of the library."""
    for providers in (CPU_BUILD, GPU_BUILD):
        CPU.check_available(providers)
    CPU.check_held(("CPUExecutionProvider",))


@pytest.mark.parametrize(
    ("device", "precision", "instead"),
    [(CUDA, "int8", "fp16"), (CUDA, "fp32", "fp16"), (CPU, "bf16", "int8")],
)
def test_a_bundle_that_it_has_no_operators_for_is_refused(
    device: Device, precision: Precision, instead: str
) -> None:
    """Before anything is loaded, and saying what to export."""
    with pytest.raises(BundleError, match=f"{precision}.*--precision {instead}"):
        device.check_serves(precision)
    for served in device.precisions:
        device.check_serves(served)


def test_a_missing_device_is_a_usage_error() -> None:
    """Exit code 2, and never taken for a bundle's fault."""
    assert issubclass(DeviceError, UsageError)
    assert DeviceError.code == "device"


def test_exactness_is_promised_of_the_cpu_alone() -> None:
    """Whatever precision it serves."""
    assert {device.name for device in DEVICES.values() if device.promises_exactness} == {"cpu"}
    assert replace(CPU, in_place=False).promises_exactness
