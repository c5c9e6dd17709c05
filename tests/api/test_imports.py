"""What serving loads: never torch, nor anything of the offline side."""

import subprocess
import sys

import pytest

_FORBIDDEN = ("torch", "sklearn", "safetensors", "model", "training", "export", "simulation")


@pytest.mark.parametrize(
    "module", ["api", "api.app", "api.compose", "api.uvicorn_server", "genpage.cli.serve"]
)
def test_serving_loads_no_torch(module: str) -> None:
    """In a process of its own, since other tests load it here."""
    program = (
        f"import sys, {module}; print([name for name in {_FORBIDDEN!r} if name in sys.modules])"
    )
    assert _printed(program) == "[]"


def test_the_command_line_loads_no_torch() -> None:
    """Each call imports the modules of all commands, and serving has only some of the rooms."""
    program = (
        "import sys; from genpage.cli import ENTRIES; [entry.load() for entry in ENTRIES]; "
        "print([name for name in ('torch', 'sklearn', 'lightgbm') if name in sys.modules])"
    )
    assert _printed(program) == "[]"


def _printed(program: str) -> str:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.strip()
