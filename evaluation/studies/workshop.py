"""Where studies work: data and checkpoints that several share, and steps that are done once.

Everything lies under one folder::

    SERVICE/data                            a simulated service
    SERVICE/MODELS/checkpoints/NAME         what was trained on it, shared by the studies
    SERVICE/MODELS/steps/STUDY/NAME.json    what was measured

SERVICE and MODELS name their settings and the code that decides them (`studies.version`), so that
figures of one scale, or of older code, are never taken for another's. A step's result is a JSON
file that appears whole or not at all, so that a study that was killed goes on where it was;
training resumes by itself (`training.partial`).
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dataset.folder import DataFolder
from dataset.write import new_folder
from evaluation.intervals import Estimate
from evaluation.multistage.learning import PAGES
from evaluation.studies.version import EVERYTHING, SERVICE, code_of
from genpage.errors import DatasetError
from genpage.sources import Sources
from genpage.staging import write_whole
from model.config import Size
from simulation.service import simulate
from simulation.settings import Settings
from training.objective import Objective
from training.options import Options
from training.run import Run

Tell = Callable[[str], object]
# Measures a bundle's latency on some data beside the pipeline's (`benchmarks.multistage`): what
# serves is above this room, so the command hands it in.
Bench = Callable[[Path, Path], Mapping[str, object]]
# Which code some rooms are.
Code = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Scale:
    """How large the studies are. What the default takes is in `docs/quality.md`.

    ``pages`` is how many the pipeline and WBC's appeal of titles each learn from, at most.
    """

    members: int = 1000
    entities: int = 800
    days: int = 21
    held_out: int = 2
    size: Size = "micro"
    steps: int = 200
    visits: int = 200
    pages: int = PAGES
    seed: int = 0

    @property
    def service(self) -> str:
        """Names the service's settings."""
        return f"service-{self.members}-{self.entities}-{self.days}-{self.seed}"

    @property
    def digest(self) -> str:
        """Names these settings."""
        settings = json.dumps(asdict(self)).encode()
        return f"{self.size}-{self.steps}-{hashlib.sha256(settings).hexdigest()[:8]}"


class Workshop:
    """Makes what is not there yet; mutates nothing but its folder."""

    def __init__(
        self,
        folder: Path,
        scale: Scale | None = None,
        *,
        tell: Tell = print,
        bench: Bench | None = None,
        code: Code = code_of,
    ) -> None:
        self.scale, self.bench = scale or Scale(), bench
        self._service = folder / f"{self.scale.service}-{code(SERVICE)}"
        self.folder = self._service / f"{self.scale.digest}-{code(EVERYTHING)}"
        self.steps = self.folder / "steps"
        self.tell = tell

    def of(self, study: str) -> "Workshop":
        """The same for one study: its steps have names of their own."""
        own = copy(self)
        own.steps = self.steps / study
        return own

    def forget(self) -> None:
        """Drop the steps, so that they are taken again; data and checkpoints stay."""
        shutil.rmtree(self.steps, ignore_errors=True)

    @property
    def simulated(self) -> str:
        """What every page of a study on this data says."""
        scale = self.scale
        return (
            f"Everything: a synthetic service of {scale.members:,} members, {scale.entities:,} "
            f"titles and {scale.days} days (`genpage simulate`, seed {scale.seed}). Catalog, "
            "members, impressions and feedback are drawn from a hidden truth, which models do not "
            f"see and the true page reward is computed from. The last {scale.held_out} days are "
            "held out."
        )

    def data(self) -> DataFolder:
        """The simulated service."""
        path, scale = self._service / "data", self.scale
        if not path.is_dir():
            self.tell(f"simulating {scale.members:,} members over {scale.days} days")
            path.parent.mkdir(parents=True, exist_ok=True)
            settings = Settings(
                members=scale.members, entities=scale.entities, days=scale.days, seed=scale.seed
            )
            with new_folder(path) as writer:
                simulate(settings, writer)
        return DataFolder(path)

    def held_out(self) -> Sequence[str]:
        """The days that no model of a study has seen."""
        days = self.data().days()
        if len(days) <= self.scale.held_out:
            raise DatasetError(
                f"{len(days)} days are too few to hold {self.scale.held_out} of them out"
            )
        return days[-self.scale.held_out :]

    def trained(
        self,
        name: str,
        objective: Objective,
        *,
        parent: Path | None = None,
        size: Size | None = None,
        steps: int | None = None,
        seed: int = 0,
        to: str | None = None,
        history_tokens: int | None = None,
        sources: Sources | None = None,
        serialised: int | None = None,
    ) -> Path:
        """A checkpoint of that name, trained before ``to`` unless it is there.

        ``to`` is the first held-out day by default.
        """
        out = self.folder / "checkpoints" / name
        if not out.is_dir():
            self.tell(f"training {name}")
            out.parent.mkdir(parents=True, exist_ok=True)
            options = Options(
                data=self.data().path,
                out=out,
                parent=parent,
                size=None if parent is not None else size or self.scale.size,
                steps=steps or self.scale.steps,
                seed=seed,
                to=to or self.held_out()[0],
                history_tokens=history_tokens,
                sources=sources,
                serialised=serialised,
            )
            Run(options, objective).train(lambda _record: None)
        return out

    def step(self, name: str, compute: Callable[[], object]) -> object:
        """What ``compute`` gives, through JSON; a name is computed once."""
        path = self.steps / f"{name}.json"
        if path.is_file():
            try:
                return json.loads(path.read_bytes())
            except ValueError as error:
                raise self._unreadable(name, "no JSON") from error
        self.tell(name)
        return self.keep(name, compute())

    def mapping(self, name: str, compute: Callable[[], object]) -> dict[str, Any]:
        """A step whose result is a JSON object."""
        found = self.step(name, compute)
        if not isinstance(found, dict):
            raise self._unreadable(name, "no JSON object")
        return found

    def listed(self, name: str, compute: Callable[[], object]) -> list[Any]:
        """A step whose result is a JSON array."""
        found = self.step(name, compute)
        if not isinstance(found, list):
            raise self._unreadable(name, "no JSON array")
        return found

    def _unreadable(self, name: str, what: str) -> DatasetError:
        path = self.steps / f"{name}.json"
        return DatasetError(f"{path} holds {what}; remove it, and the step is taken again")

    def keep(self, name: str, result: object) -> object:
        """Write a step's result, whole or not at all; returned as it will be read."""
        path = self.steps / f"{name}.json"
        text = json.dumps(result)
        write_whole(path, text.encode())
        return json.loads(text)

    def figures(self, name: str, compute: Callable[[], Sequence[float]]) -> list[float]:
        """A step whose result is a list of numbers."""
        found = self.listed(name, lambda: [float(value) for value in compute()])
        try:
            return [float(value) for value in found]
        except (TypeError, ValueError) as error:
            raise self._unreadable(name, "what is no list of numbers") from error

    def estimates(self, name: str, compute: Callable[[], Sequence[Estimate]]) -> list[Estimate]:
        """A step whose result is a list of figures with their intervals."""
        found = self.listed(name, lambda: [each.document() for each in compute()])
        try:
            return [Estimate(float(each["value"]), *map(float, each["ci95"])) for each in found]
        except (KeyError, TypeError, ValueError) as error:
            raise self._unreadable(name, "what are no figures with intervals") from error
