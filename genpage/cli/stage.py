"""Commands run one after another, each making what the next ones take; what is current is kept."""

import hashlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from genpage.errors import GenPageError
from genpage.source_files import digest_of, folders_of

# These run the stages and serve what they made: none decides what a stage makes, and an edit of
# them is not worth a training.
_DECIDE_NOTHING = tuple(Path(f"cli/{name}.py") for name in ("demo", "recipe", "serve", "stage"))


@dataclass(frozen=True, slots=True)
class Stage:
    """One step: what it makes, by which command, from which code.

    No ``rooms``: what was made stays whatever becomes of the code. ``data`` is a digest of what the
    command reads of a data folder that no stage makes. ``in_place``: the command goes on in ``out``
    itself, where it stopped, and takes no ``--force``.
    """

    name: str
    out: Path
    words: tuple[str, ...]
    rooms: tuple[str, ...] = ()
    data: str = ""
    in_place: bool = False

    @property
    def stamp(self) -> Path:
        """Holds the fingerprint of what ``out`` was made from; absent while it is being made."""
        return self.out.with_name(f"{self.out.name}.inputs")

    @property
    def fingerprint(self) -> str:
        """A digest of the command, its data and the code behind it, defaults and rules included."""
        digest = hashlib.sha256("\0".join(self.words).encode())
        digest.update(self.data.encode())
        for room in self.rooms:
            folders = folders_of(room)
            if not folders:
                raise GenPageError(f"the package {room} is not installed; run `make setup`")
            digest.update(digest_of(folders, _DECIDE_NOTHING).encode())
        return digest.hexdigest()

    def is_current(self) -> bool:
        """Whether ``out`` was made from these inputs."""
        if not self.out.exists() or not self.stamp.exists():
            return False
        return self.stamp.read_text("ascii") == self.fingerprint

    def forget(self) -> None:
        """What was made or begun was made from something else."""
        self.stamp.unlink(missing_ok=True)
        self._begun.unlink(missing_ok=True)

    def make(self) -> None:
        """Run the command in a process of its own, so that serving stays free of torch.

        An interrupted one goes on, unless the code or the command is another.
        """
        self.stamp.unlink(missing_ok=True)
        begun, fingerprint = self._begun, self.fingerprint
        if not begun.exists() or begun.read_text("ascii") != fingerprint:
            unfinished = self.out if self.in_place else self._partial
            shutil.rmtree(unfinished, ignore_errors=True)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        begun.write_text(fingerprint, "ascii")
        command = [sys.executable, "-m", "genpage", *self.words, "--out", str(self.out)]
        if run_command(command if self.in_place else [*command, "--force"]) != 0:
            raise GenPageError(f"stopped while making {self.out}; the reason stands above")
        begun.unlink()
        self.stamp.write_text(fingerprint, "ascii")

    @property
    def _begun(self) -> Path:
        """Holds the fingerprint of a run that has not ended."""
        return self.out.with_name(f"{self.out.name}.begun")

    @property
    def _partial(self) -> Path:
        """Where a training run keeps what it has not finished (`training.partial`)."""
        return self.out.with_name(f"{self.out.name}.partial")


def make_stages(stages: Sequence[Stage], console: Console) -> None:
    """Make each stage that is not current, and all after it, in their order."""
    kept = next((n for n, stage in enumerate(stages) if not stage.is_current()), len(stages))
    # Before the first is made: killed after it, nobody shall find one current, or go on with one,
    # that came of an older first.
    for stage in stages[kept + 1 :]:
        stage.forget()
    for number, stage in enumerate(stages):
        place = f"{number + 1}/{len(stages)}"
        if number < kept:
            console.print(f"[dim]{place} {stage.name}: {stage.out} is up to date[/dim]")
            continue
        console.rule(f"{place} {stage.name}", align="left")
        stage.make()


def run_command(command: Sequence[str]) -> int:
    """The exit code of a process that a signal to this one ends first: an orphan would train on.

    Raises `KeyboardInterrupt` when it was ended so. A second signal ends it without asking.
    """
    told: list[int] = []
    children: list[subprocess.Popen[bytes]] = []

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
        told.append(number)
        for child in children:
            # SIGTERM for Ctrl-C too: a terminal has sent the child its own SIGINT already.
            if len(told) > 1:
                child.kill()
            else:
                child.terminate()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        children.append(subprocess.Popen(command))  # noqa: S603 - our own command
        if told:  # the signal came while the process began
            children[0].terminate()
        code = children[0].wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if told:
        raise KeyboardInterrupt
    return code
