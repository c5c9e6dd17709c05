"""Scaling: losses over the size of the trunk, and the power law through them.

The law is L = a N^-b, a straight line between the logarithms, by least squares over all sizes and
seeds; N counts the trunk's parameters, without embeddings (Kaplan et al. 2020), which a small
vocabulary would otherwise drown. The interval of b is Student's, of the line's slope: with so few
points a bootstrap would be too narrow.

Shape legend: n runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import linregress, t

from evaluation.intervals import Estimate
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.study import Study
from evaluation.studies.workshop import Workshop
from genpage.errors import DatasetError
from genpage.rules import Rules
from model.config import ModelConfig
from model.network import Network
from training.options import Options
from training.pretrain import Pretraining
from training.run import Run
from training.start import fresh_checkpoint

Values = NDArray[np.float64]
_TINY = ModelConfig.of_size("tiny")
# Sixteen-fold in the trunk and more: from a single narrow layer, under `tiny`, to `tiny` and above.
CONFIGS: dict[str, ModelConfig] = {
    name: replace(_TINY, width=width, layers=layers, heads=heads, kv_heads=2, ffn=3 * width)
    for name, width, layers, heads in (
        ("64x1", 64, 1, 2),
        ("64x2", 64, 2, 2),
        ("64x4", 64, 4, 2),
        ("128x2", 128, 2, 4),
        ("128x5", 128, 5, 4),
    )
}
SEEDS = (0,)


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``scale`` x N^-``exponent``; ``r2`` is of the line between the logarithms."""

    exponent: Estimate
    scale: float
    r2: float

    def at(self, size: float) -> float:
        """The loss that it gives a size."""
        return float(self.scale * size**-self.exponent.value)


def power_law(sizes: Values, losses: Values) -> PowerLaw:
    """Through at least three points (n,)."""
    line = linregress(np.log(sizes), np.log(losses))
    half = float(t.ppf(0.975, len(sizes) - 2)) * float(line.stderr)
    exponent = -float(line.slope)
    return PowerLaw(
        Estimate(exponent, exponent - half, exponent + half),
        float(np.exp(line.intercept)),
        float(line.rvalue) ** 2,
    )


def run(workshop: Workshop) -> Findings:
    """Train each size alike and fit the held-out losses."""
    names: list[str] = []
    sizes: list[float] = []
    losses: list[float] = []
    for name, config in CONFIGS.items():
        for seed in SEEDS:
            run_name = f"scaling-{name}-{seed}"
            train = partial(held_out_losses, workshop, run_name, config, seed)
            losses += workshop.figures(run_name, train)
            names.append(f"{name}, seed {seed}")
            sizes.append(float(config.trunk_parameters()))
    law = power_law(np.array(sizes), np.array(losses))
    rows = [
        Row(f"{name}: {size / 1e3:.0f} k in the trunk", loss, series="held-out loss", x=size)
        for name, size, loss in zip(names, sizes, losses, strict=True)
    ]
    rows += [
        Row("the law", law.at(size), series="power law", x=size) for size in sorted(set(sizes))
    ]
    rows += [Row.of("exponent", law.exponent, series="fit"), Row("R2", law.r2, series="fit")]
    steps = workshop.scale.steps
    return Findings(
        rows,
        Axes("parameters of the trunk", "held-out loss (nats a target)", log="xy"),
        workshop.simulated,
        notes=(
            f"Each size is pretrained alike: {steps} steps of the same batches at the same rate. "
            "The loss is the sum of row, entity and next-title cross-entropy on the held-out day, "
            "weighed as in training. It has a floor that no size goes below, which a pure power "
            "law does not know of: exponents of so small models on so little data are low."
        ),
        unplotted=("fit",),
    )


def held_out_losses(
    workshop: Workshop, name: str, config: ModelConfig, seed: int
) -> Sequence[float]:
    """The summed held-out loss of one size, trained from nothing."""
    start = _untrained(workshop, f"{name}-untrained", config, seed)
    out = workshop.folder / "checkpoints" / name
    options = Options(
        data=workshop.data().path,
        out=out,
        parent=start,
        steps=workshop.scale.steps,
        lr=2e-3,
        seed=seed,
        to=workshop.held_out()[0],
        force=True,
    )
    summary = Run(options, Pretraining()).train(lambda _record: None)
    if summary.validation is None:
        raise DatasetError(
            f"no page before {workshop.held_out()[0]} can be held out to judge sizes by; give the "
            "study more members or days"
        )
    return [sum(summary.validation.losses.values())]


def _untrained(workshop: Workshop, name: str, config: ModelConfig, seed: int) -> Path:
    """Random weights of a shape that has no name."""
    path = workshop.folder / "checkpoints" / name
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        catalog = workshop.data().catalog()
        named = fresh_checkpoint(catalog, "tiny", rules=Rules.default(), seed=seed)
        network = Network(config, named.vocabulary.size, named.content)
        network.initialise(seed)
        replace(named, config=config, weights=network.state_dict()).save(path)
    return path


STUDY = Study(
    "scaling",
    "Scaling",
    "How does the loss fall with the size of the model?",
    "from 120M to 900M parameters the WBC loss falls by 1.3%; losses follow a power law.",
    run,
)
