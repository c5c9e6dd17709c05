"""The checkpoints of the recipe's stages, that several studies ask for.

Each is trained once (`Workshop.trained`) and stands on the one before. A stage that is added here
is in every study that compares stages.
"""

from collections.abc import Mapping
from pathlib import Path

from evaluation.studies.workshop import Workshop
from training.pretrain import Pretraining
from training.rewards.declaration import Rewards
from training.wbc import WeightedClassification


def pretrained(workshop: Workshop) -> Path:
    """Next-token prediction on positive pages."""
    return workshop.trained("pretrained", Pretraining())


def classified(workshop: Workshop) -> Path:
    """WBC on top of it."""
    return workshop.trained(
        "wbc", WeightedClassification(Rewards.default()), parent=pretrained(workshop)
    )


def unprepared(workshop: Workshop) -> Path:
    """WBC from nothing, for as many steps as both take: what pretraining is compared with."""
    return workshop.trained(
        "wbc-alone", WeightedClassification(Rewards.default()), steps=2 * workshop.scale.steps
    )


def stages(workshop: Workshop) -> Mapping[str, Path]:
    """Name -> checkpoint, in the recipe's order."""
    return {"pretrained": pretrained(workshop), "WBC": classified(workshop)}
