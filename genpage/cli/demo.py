"""``genpage demo``: a small service from nothing to a homepage in the browser."""

import hashlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from pydantic import Field
from rich.console import Console

from genpage.cli.command import Command
from genpage.errors import GenPageError

# The rooms whose code decides what a stage makes: a change there makes it again.
_SIMULATION = ("genpage", "dataset", "simulation")
_TRAINING = (*_SIMULATION, "tokenizer", "model", "training")
_EXPORT = (*_TRAINING, "runtime", "export")
# But these two run the stages and serve what they made: neither decides what a stage makes, and an
# edit of them is not worth a training.
_DECIDE_NOTHING = (Path("cli/demo.py"), Path("cli/serve.py"))


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the demo: what it makes, by which command, from which code."""

    name: str
    out: Path
    words: tuple[str, ...]
    rooms: tuple[str, ...]

    @property
    def stamp(self) -> Path:
        """Holds the fingerprint of what ``out`` was made from; absent while it is being made."""
        return self.out.with_name(f"{self.out.name}.inputs")

    @property
    def fingerprint(self) -> str:
        """A digest of the command and of the code behind it, defaults and rules included."""
        digest = hashlib.sha256("\0".join(self.words).encode())
        for room in self.rooms:
            for source in _sources(room):
                digest.update(source.read_bytes())
        return digest.hexdigest()

    def is_current(self) -> bool:
        """Whether ``out`` was made from these inputs."""
        if not self.out.exists() or not self.stamp.exists():
            return False
        return self.stamp.read_text("ascii") == self.fingerprint

    def make(self) -> None:
        """Run the command in a process of its own, so that serving stays free of torch."""
        self.stamp.unlink(missing_ok=True)
        # An interrupted run goes on only with the code that began it.
        begun = self.out.with_name(f"{self.out.name}.begun")
        if not begun.exists() or begun.read_text("ascii") != self.fingerprint:
            shutil.rmtree(self.out.with_name(f"{self.out.name}.partial"), ignore_errors=True)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        begun.write_text(self.fingerprint, "ascii")
        command = (sys.executable, "-m", "genpage", *self.words, "--out", str(self.out), "--force")
        if _run(command) != 0:
            raise GenPageError(f"the demo stopped while making {self.out}; the reason stands above")
        begun.unlink()
        self.stamp.write_text(self.fingerprint, "ascii")


class Demo(Command):
    """Simulate a small service, train on it, export, serve; what did not change is kept."""

    dir: Path = Field(default=Path("var/demo"), description="where everything is made")
    members: int = Field(default=2000, ge=50, description="members of the simulated service")
    days: int = Field(default=30, ge=7, description="simulated days")
    size: str = Field(default="tiny", description="size of the model")
    port: int = Field(default=8700, ge=0, le=65535, description="port of the homepage; 0: any")

    def run(self) -> None:
        """Make each stage that is not current, then serve until interrupted."""
        from genpage.cli.serve import Serve, listening_socket

        listening_socket("127.0.0.1", self.port).close()  # a taken port is told now, not in minutes
        console = Console(stderr=True)
        remade = False
        stages = self.stages()
        for number, stage in enumerate(stages, start=1):
            place = f"{number}/{len(stages)}"
            if stage.is_current() and not remade:
                console.print(f"[dim]{place} {stage.name}: {stage.out} is up to date[/dim]")
                continue
            console.rule(f"{place} {stage.name}", align="left")
            stage.make()
            remade = True
        Serve(
            bundle=self.dir / "bundle",
            data=self.dir / "data",
            port=self.port,
        ).run()

    def stages(self) -> Sequence[Stage]:
        """Data, a pretrained model, the checkpoint, its bundle; each is made from those before."""
        data, pretrained, checkpoint, bundle = (
            self.dir / name for name in ("data", "pretrained", "checkpoint", "bundle")
        )
        return (
            Stage(
                "simulate a service",
                data,
                ("simulate", "--members", str(self.members), "--days", str(self.days)),
                _SIMULATION,
            ),
            Stage(
                "train a model on its pages",
                pretrained,
                ("train", "pretrain", "--data", str(data), "--size", self.size),
                _TRAINING,
            ),
            Stage(
                "teach it what a title is worth where it stands",
                checkpoint,
                # Fewer steps than the recipe has: what a visitor waits for, most of it learnt.
                (
                    *("train", "wbc", "--data", str(data), "--from", str(pretrained)),
                    *("--steps", "120"),
                ),
                _TRAINING,
            ),
            Stage(
                "export it and check it against PyTorch",
                bundle,
                ("export", str(checkpoint)),
                _EXPORT,
            ),
        )


def _run(command: Sequence[str]) -> int:
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


def _sources(room: str) -> Sequence[Path]:
    spec = find_spec(room)
    if spec is None or spec.origin is None:
        raise GenPageError(f"the package {room} is not installed; run `make setup`")
    folder = Path(spec.origin).parent
    aside = {folder / path for path in _DECIDE_NOTHING} if room == "genpage" else set()
    found = {path for path in folder.rglob("*") if path.suffix in {".py", ".toml"}}
    return sorted(found - aside)
