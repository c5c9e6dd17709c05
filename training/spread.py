"""An objective's loss as a module, spread over processes.

Small models are copied to every process and their gradients averaged (DDP, Li et al. 2020). Large
ones are cut: a process holds its part of each layer's weights, gradients and moments, and a layer
is put together for as long as it computes (FSDP2, Zhao et al. 2023). Single numbers and an
objective's heads are copied even then: there is nothing to cut.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from model.network import Network
from model.trunk import RMSNorm, SwiGLU
from training.batches import Batch
from training.group import ALONE, Group
from training.objective import Objective

Kind = Literal["ddp", "fsdp"]
# From so many parameters on a model is cut: with gradients and moments 16 bytes each.
LARGE = 300_000_000


@dataclass(frozen=True, slots=True)
class Spread:
    """How a step is computed. ``kind`` None: by the model's size.

    ``recompute`` keeps only layers' inputs for the backward pass and computes the rest again
    (Chen et al. 2016): less memory, about a third more work. ``compiled`` has `torch.compile` fuse
    what works on each token alone.
    """

    kind: Kind | None = None
    recompute: bool = False
    compiled: bool = False
    group: Group = ALONE


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A batch's loss; of each part its sums (3,): losses, a blind guess's, weights."""

    total: torch.Tensor
    parts: Mapping[str, torch.Tensor]


class Step(nn.Module):
    """The loss of a batch, with all that is trained for it as its parameters."""

    def __init__(self, network: Network, objective: Objective) -> None:
        super().__init__()
        self.network = network
        self.heads = objective.heads
        self._objective = objective

    def forward(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """What `Found` holds; a tuple, since DDP looks for tensors in such."""
        loss = self._objective.loss(self.network, batch)
        parts = {
            name: torch.stack([part.nats, part.guess.to(part.nats), part.weight]).detach()
            for name, part in loss.parts.items()
        }
        return loss.total, parts


class SpreadStep:
    """A step on this process's share of a batch. `backward` leaves every gradient complete."""

    def __init__(self, step: Step, spread: Spread) -> None:
        self._group = spread.group
        trunk = step.network.trunk
        trunk.recompute = spread.recompute
        if spread.compiled:
            for module in trunk.modules():
                if isinstance(module, (RMSNorm, SwiGLU)):
                    module.compile(dynamic=True)
        size = sum(p.numel() for p in step.parameters())
        kind = spread.kind or ("fsdp" if size >= LARGE else "ddp")
        self._copied: list[nn.Parameter] = []
        self._module: nn.Module = step
        if self._group.size == 1:
            return
        if kind == "ddp":
            # An objective leaves some of a network out, always the same.
            self._module = DistributedDataParallel(step, find_unused_parameters=True)
            return
        device = step.network.content.device.type
        mesh = init_device_mesh(device, (self._group.size,))
        heads = {id(p) for p in step.heads.parameters()}
        self._copied = [p for p in step.parameters() if p.dim() == 0 or id(p) in heads]
        for parameter in self._copied:
            dist.broadcast(parameter.data, src=0)
        for block in trunk.blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(step, mesh=mesh, ignored_params=set(self._copied))

    def loss(self, batch: Batch) -> Found:
        """This process's share; the mean over processes is the batch's."""
        total, parts = self._module(batch)
        return Found(total, parts)

    def backward(self, total: torch.Tensor) -> None:
        """Every process calls it."""
        total.backward()  # type: ignore[no-untyped-call]
        for parameter in self._copied:
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)
                parameter.grad /= self._group.size


def clip(parameters: list[nn.Parameter], most: float) -> float:
    """Scale gradients down to a common norm of ``most``; what the norm was.

    Cut and copied ones together, as `torch.nn.utils.clip_grad_norm_` does for either.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    cut: list[torch.Tensor] = [g for g in gradients if isinstance(g, DTensor)]
    kinds = [cut, [g for g in gradients if not isinstance(g, DTensor)]]
    norms = [whole(torch.nn.utils.get_total_norm(kind)) for kind in kinds if kind]
    norm = norms[0] if len(norms) == 1 else torch.stack(norms).norm()
    scale = float((most / (norm + 1e-6)).clamp(max=1.0))
    for kind in kinds:
        if kind:
            torch._foreach_mul_(kind, scale)
    return float(norm)


def whole(value: torch.Tensor) -> torch.Tensor:
    """A tensor that may be cut, put together; every process calls it."""
    if isinstance(value, DTensor):
        put_together: torch.Tensor = value.full_tensor()
        return put_together
    return value
