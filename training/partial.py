"""An unfinished run on disk, so that a killed one goes on where it was.

``<out>.partial/`` holds ``run.json`` (what the run is), its newest saved state and
``metrics.jsonl``. The state of a loop of one process, with whatever it must remember, is
``state.pt``, replaced atomically; that of a loop that several processes may share is kept there
by `training.saved`. A run that is started again with the same settings on the same data goes on
from there, to the same loss curve; with others it is refused.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from genpage.errors import UsageError
from genpage.staging import replacing, sync, write_whole

Settings = Mapping[str, object]


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Where a run is after ``step`` steps and ``taken`` examples.

    ``metrics_size`` is the length of the metrics file by then (bytes).
    """

    step: int
    taken: int
    metrics_size: int
    network: dict[str, torch.Tensor]
    # What the optimiser's own `state_dict` holds.
    optimiser: dict[str, Any]
    # What else a loop must remember: numbers, lists, tensors.
    memory: dict[str, Any] = field(default_factory=dict)


class PartialRun:
    """The folder of one unfinished run."""

    def __init__(self, out: Path, settings: Settings) -> None:
        self.folder = out.with_name(f"{out.name}.partial")
        # Through JSON and back, so that tuples compare as what a file holds.
        self._settings = json.loads(json.dumps(settings))

    @property
    def metrics(self) -> Path:
        """One JSON document a step."""
        return self.folder / "metrics.jsonl"

    @property
    def shards(self) -> int | None:
        """Of how many shards an unfinished run is; None where there is none."""
        found = (self._found() or {}).get("shards")
        return found if isinstance(found, int) else None

    def open(self, *, force: bool) -> State | None:
        """`claim` the folder; the state to go on from, None for a fresh start."""
        self.claim(force=force)
        state = self._state()
        self.cut_metrics(0 if state is None else state.metrics_size)
        return state

    def cut_metrics(self, size: int) -> None:
        """Steps after the saved state will be taken again."""
        with self.metrics.open("ab") as file:
            file.truncate(size)

    def claim(self, *, force: bool) -> None:
        """Make the folder this run's.

        A run with other settings is a `UsageError` unless ``force``, which discards it.
        """
        found = self._found()
        if found is not None and found != self._settings:
            if not force:
                keys = [*self._settings, *found]
                name = next(k for k in keys if found.get(k) != self._settings.get(k))
                raise UsageError(
                    f"{self.folder} holds an unfinished run with {name} = {found.get(name)!r}, "
                    f"now {self._settings.get(name)!r}. Repeat its settings to go on, or delete "
                    "the folder (or --force) to begin anew."
                )
            self.discard()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / "run.json", json.dumps(self._settings, indent=2).encode())

    def save(self, state: State) -> None:
        """Replace the saved state; the metrics that it counts on are on the disk before it is."""
        document = {
            "step": state.step,
            "taken": state.taken,
            "metrics_size": state.metrics_size,
            "network": state.network,
            "optimiser": state.optimiser,
            "memory": state.memory,
        }
        sync(self.folder)
        with replacing(self.folder / "state.pt") as unfinished, unfinished.open("wb") as file:
            torch.save(document, file)

    def discard(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _found(self) -> dict[str, object] | None:
        try:
            found: dict[str, object] = json.loads((self.folder / "run.json").read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return found

    def _state(self) -> State | None:
        path = self.folder / "state.pt"
        if not path.exists():
            return None
        found = torch.load(path, map_location="cpu", weights_only=True)
        try:
            return State(**found)
        except TypeError as error:
            raise UsageError(
                f"{path} is of another version of GenPage; delete {self.folder} to begin anew"
            ) from error
