"""Whether a path is a Python that peers can run on, found out before anything is measured."""

import subprocess
from pathlib import Path

from genpage.errors import UsageError

_OLDEST = (3, 11)
_LIMIT_S = 60.0
_ASKED = "import sys; print('python', *sys.version_info[:2])"


def require_python(path: Path) -> Path:
    """The same path, absolute (a link stays one: an environment is told by it).

    Raises `UsageError` where it is no Python interpreter, or one that is too old.
    """
    python = path.expanduser().absolute()
    if not python.is_file():
        raise UsageError(
            f"--peers: there is no file {path}; `make setup-peers` makes .peers/bin/python."
        )
    try:
        told = subprocess.run(  # noqa: S603 - the operator's own interpreter
            [str(python), "-I", "-c", _ASKED],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        ).stdout.split()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"--peers: {path} is no Python interpreter: {error}.") from error
    if told[:1] != ["python"] or len(told) != 3 or not all(part.isdigit() for part in told[1:]):  # noqa: PLR2004 - as asked
        raise UsageError(f"--peers: {path} is no Python interpreter.")
    version = int(told[1]), int(told[2])
    if version < _OLDEST:
        raise UsageError(
            f"--peers: {path} is Python {told[1]}.{told[2]}; peers need "
            f"{_OLDEST[0]}.{_OLDEST[1]} or newer."
        )
    return python
