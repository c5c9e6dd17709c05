"""What this machine is, as far as the bits of a result may depend on it."""

import platform
from functools import cache
from pathlib import Path

_FLAGS = (
    *("fma", "avx2", "avx512f", "avx512bw", "avx512vl", "avx_vnni", "avx512_vnni"),
    *("amx_tile", "amx_int8", "asimddp", "i8mm", "sve"),
)
_CPUINFO = Path("/proc/cpuinfo")


@cache
def cpu_note() -> str:
    """The architecture and the instruction sets that matrix products choose between."""
    held: set[str] = set()
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text("utf-8", "replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in {"flags", "Features"}:
                held = set(value.split())
                break
    return " ".join((platform.machine(), *(flag for flag in _FLAGS if flag in held)))
