"""The processes of one run, as ``torchrun`` starts them; one alone where it did not.

A process's tensors are reduced over gloo on a CPU, over NCCL on a GPU.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
import torch.distributed as dist

from genpage.errors import UsageError

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Group:
    """This process among its likes."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """It is the one that writes files and speaks to people."""
        return self.rank == 0

    def mine(self, shards: int) -> tuple[int, ...]:
        """Which of so many shards are this process's."""
        return tuple(range(self.rank, shards, self.size))

    def sums(self, values: Sequence[float]) -> list[float]:
        """The sums over all processes; every one calls it."""
        if self.size == 1:
            return list(values)
        held = torch.tensor(values, dtype=torch.float64, device=_device())
        dist.all_reduce(held)
        return [float(value) for value in held.tolist()]

    def of_leader(self, make: Callable[[], _Made]) -> _Made:
        """What the leading process makes; what it raises, all do. Every process calls it."""
        if self.size == 1:
            return make()
        held: list[object] = [None, None]
        if self.leads:
            try:
                held = [make(), None]
            except Exception as error:  # noqa: BLE001 - raised again below, by every process
                held = [None, error]
        dist.broadcast_object_list(held, src=0)
        made, failed = held
        if isinstance(failed, Exception):
            raise failed
        return cast("_Made", made)


ALONE = Group()


def refuse_others() -> None:
    """For a command that only one process can run: `UsageError` where torchrun started several."""
    if _processes() > 1:
        raise UsageError(
            "this command trains in one process; start it without torchrun. Several train together "
            "in `genpage train pretrain`, `wbc` and `reward-model`."
        )


@contextmanager
def joined() -> Iterator[Group]:
    """The group that the environment names (torchrun's variables), until it is left."""
    if _processes() == 1:
        yield ALONE
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("cpu:gloo,cuda:nccl")
    else:
        dist.init_process_group("gloo")
    yield Group(dist.get_rank(), dist.get_world_size())
    # Where one process fails the others may still wait for it: torchrun ends them.
    dist.barrier()
    dist.destroy_process_group()


def shared(weight: torch.Tensor) -> torch.Tensor:
    """The mean over all processes, no gradient through it; alone, the tensor itself.

    Gradients are averaged over processes. A process's sum of losses over the *mean* of all
    processes' weights so becomes the sum of all losses over the sum of all weights: what one
    process would have computed.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return weight
    everywhere = weight.detach().clone()
    dist.all_reduce(everywhere)
    return everywhere / dist.get_world_size()


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _device() -> torch.device:
    cuda = dist.get_backend() != "gloo" and torch.cuda.is_available()
    return torch.device("cuda") if cuda else torch.device("cpu")
