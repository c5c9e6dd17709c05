"""Ties a process to the one that started it: however that ends, this one does not outlive it.

A shell waits at a pipe whose other end the starter alone holds. A line on it says that all is over;
its end without one that the starter is gone, SIGKILL included. (Linux's PDEATHSIG would do so when
the *thread* ends that started the process.)
"""

import subprocess

# $0 is the process group that ends with the starter.
_WAIT = 'read -r _ || kill -KILL "-$0"'


class Tied:
    """From when it is made until `loose`."""

    def __init__(self, group: int) -> None:
        self._shell = subprocess.Popen(  # noqa: S603 - our own command line
            ["/bin/sh", "-c", _WAIT, str(group)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def loose(self) -> None:
        """Untie; the process has ended, or is somebody else's."""
        self._shell.communicate(b"\n")
