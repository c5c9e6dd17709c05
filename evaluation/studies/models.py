"""The checkpoints of the recipe's stages, that several studies ask for.

Each is trained once (`Workshop.trained`) and stands on the one before. A stage that is added here
is in every study that compares stages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from evaluation.studies.workshop import Workshop
from model.checkpoint import Checkpoint
from training.appraisal import Appraisal
from training.cadence import Cadence
from training.pretrain import Pretraining
from training.reward_model import RewardModel
from training.rewards.declaration import Rewards
from training.rl.run import ReinforcementRun
from training.rl.settings import Settings
from training.updates import Updates
from training.wbc import Switches, WeightedClassification

_MOST_DAYS, _LEAST_DAYS = 14, 7


def pretrained(workshop: Workshop) -> Path:
    """Next-token prediction on positive pages."""
    return workshop.trained("pretrained", Pretraining())


def classified(workshop: Workshop) -> Path:
    """WBC on top of it."""
    return workshop.trained("wbc", _wbc(workshop), parent=pretrained(workshop))


def unprepared(workshop: Workshop, steps: int) -> Path:
    """WBC from nothing: what pretraining is compared with."""
    return workshop.trained(f"wbc-alone-{steps}", _wbc(workshop), steps=steps)


def _wbc(workshop: Workshop) -> WeightedClassification:
    """Titles' appeal from as many pages as the pipeline learns from."""
    appraisal = Appraisal(pages=workshop.scale.pages)
    return WeightedClassification(Rewards.default(), Switches(appraisal=appraisal))


def reward_model(workshop: Workshop) -> Path:
    """What RL asks for the worth of pages that nobody has seen.

    As in `genpage train recipe` it goes on from WBC, whose appeal of titles it holds as it is.
    """
    return workshop.trained(
        "reward-model", RewardModel(Rewards.default()), parent=classified(workshop)
    )


def reinforced(workshop: Workshop) -> Path:
    """Dr. GRPO, from the policy that WBC left; its reward model never sees the held-out days."""
    out = workshop.folder / "checkpoints" / "rl"
    if not out.is_dir():
        workshop.tell("training rl")
        run = ReinforcementRun(
            workshop.data().path,
            out,
            Checkpoint.load(classified(workshop)),
            Checkpoint.load(reward_model(workshop)),
            replace(Settings(), steps=max(2, workshop.scale.steps // 5)),
            to=workshop.held_out()[0],
        )
        run.train(lambda _line: None)
    return out


def asked_days(workshop: Workshop) -> Sequence[str]:
    """The days at the data's end that the model of next titles has not seen: at most 14.

    It begins with a week at least, or with half of fewer days.
    """
    days = workshop.data().days()
    return days[-min(_MOST_DAYS, max(len(days) // 2, len(days) - _LEAST_DAYS)) :]


def asked_model(workshop: Workshop) -> Path:
    """Pretrained, then trained on all next titles before `asked_days`."""
    out = workshop.folder / "checkpoints" / "daily-base"
    if not out.is_dir():
        until = asked_days(workshop)[0]
        start = workshop.trained("daily-pretrained", Pretraining(), to=until)
        updates = Updates(workshop.data(), Checkpoint.load(start), Pretraining())
        workshop.tell("training daily-base")
        first = workshop.data().days()[0]
        updates.pass_over(first, until, Cadence(), lambda _share, _nats: None)
        updates.checkpoint().save(out)
    return out


def stages(workshop: Workshop) -> Mapping[str, Path]:
    """Name -> checkpoint, in the recipe's order."""
    return {
        "pretrained": pretrained(workshop),
        "WBC": classified(workshop),
        "RL": reinforced(workshop),
    }
