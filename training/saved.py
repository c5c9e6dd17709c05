"""The state of an unfinished run on disk, written by all its processes.

``<folder>/state-<step>/`` is a `torch.distributed.checkpoint`: each process writes the parts of
tensors that it holds, and any number of processes reads them back. ``<folder>/state.json`` names
the newest whole one and is replaced atomically, after the parts are on the disk.
"""

import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from genpage.errors import UsageError
from genpage.staging import sync, write_whole
from training.group import Group

_PREFIX = "state-"


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a run is: steps, examples taken of each shard, the metrics' length (bytes)."""

    step: int
    taken: tuple[int, ...]
    metrics_size: int


class Saved:
    """The states of one folder. Every process calls `load` and `save`."""

    def __init__(self, folder: Path, group: Group) -> None:
        self._folder = folder
        self._group = group

    def newest(self) -> Mark | None:
        """Where the newest whole state is, None before the first."""
        try:
            found = json.loads((self._folder / "state.json").read_bytes())
            return Mark(int(found["step"]), tuple(found["taken"]), int(found["metrics_size"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{self._folder / 'state.json'} is unreadable; delete {self._folder} (or --force) "
                "to begin anew"
            ) from error

    def load(self, mark: Mark, module: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Put the state into a module and its optimiser, cut as they are cut now."""
        path = self._folder / f"{_PREFIX}{mark.step}"
        held = FileSystemReader(path).read_metadata().state_dict_metadata
        state: dict[str, torch.Tensor] = {}
        moments: dict[str, dict[str, torch.Tensor]] = {}
        for name, parameter in module.named_parameters():
            state[f"weights.{name}"] = parameter.detach()
            if f"moments.{name}.step" not in held:
                continue  # it took no part, and has none
            moments[name] = {
                "step": torch.zeros(()),
                "exp_avg": torch.zeros_like(parameter.detach()),
                "exp_avg_sq": torch.zeros_like(parameter.detach()),
            }
            state |= {f"moments.{name}.{key}": x for key, x in moments[name].items()}
        with _told():
            # Fills the tensors in place; those of the weights are the parameters' own.
            load(state, checkpoint_id=path, no_dist=self._group.size == 1)
        for name, parameter in module.named_parameters():
            if name in moments:
                optimiser.state[parameter] = moments[name]

    def save(self, mark: Mark, module: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Write the state, then forget the older one."""
        state: dict[str, torch.Tensor] = {}
        for name, parameter in module.named_parameters():
            state[f"weights.{name}"] = parameter.detach()
            for key, value in optimiser.state.get(parameter, {}).items():
                state[f"moments.{name}.{key}"] = value
        path = self._folder / f"{_PREFIX}{mark.step}"
        self._group.of_leader(lambda: shutil.rmtree(path, ignore_errors=True))
        with _told():
            save(state, checkpoint_id=path, no_dist=self._group.size == 1)
        self._group.of_leader(lambda: self._point_to(mark, path))

    def _point_to(self, mark: Mark, path: Path) -> None:
        # The parts, and the metrics that the mark counts on.
        sync(self._folder)
        write_whole(self._folder / "state.json", json.dumps(asdict(mark)).encode())
        for older in self._folder.glob(f"{_PREFIX}*"):
            if older != path:
                shutil.rmtree(older, ignore_errors=True)


@contextmanager
def _told() -> Iterator[None]:
    """One process alone is no reason to warn, and a full disk is an `OSError`."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        try:
            yield
        except CheckpointException as error:
            found = next(iter(error.failures.values()))[0]
            raise (found if isinstance(found, OSError) else OSError(str(error))) from error
