"""``genpage demo``: a small service from nothing to a homepage in the browser."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from rich.console import Console

from genpage.cli.command import Command
from genpage.cli.stage import Stage, make_stages
from genpage.hold import held

# The rooms whose code decides what a stage makes: a change there makes it again.
_SIMULATION = ("genpage", "dataset", "simulation")
_TRAINING = (*_SIMULATION, "tokenizer", "model", "training")
_EXPORT = (*_TRAINING, "runtime", "export")
# Fewer than the recipe has, for a visitor waits for them: the first run's 240 s hold both on two
# cores. A step of WBC does more for the page than one of pretraining: 40 and 170 of them left less
# of WBC's loss on the held-out day (rows .579, titles .584) than 100 and 150 (.606, .595) did.
_PRETRAINING_STEPS = 40
_WBC_STEPS = 150


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
        # While serving too: another would take the bundle and the data away from it.
        with held(self.dir, "--dir", "demo"):
            make_stages(self.stages(), Console(stderr=True))
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
                (
                    *("train", "pretrain", "--data", str(data), "--size", self.size),
                    *("--steps", str(_PRETRAINING_STEPS)),
                ),
                _TRAINING,
            ),
            Stage(
                "teach it what a title is worth where it stands",
                checkpoint,
                (
                    *("train", "wbc", "--data", str(data), "--from", str(pretrained)),
                    *("--steps", str(_WBC_STEPS)),
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
