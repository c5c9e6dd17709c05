"""What a checkpoint goes on with: whoever trains it further trains it for the same."""

from model.checkpoint import Checkpoint
from training.objective import Objective
from training.pretrain import Pretraining
from training.rewards.declaration import Rewards
from training.wbc import WeightedClassification

REWARDS = "rewards.toml"


def objective_of(checkpoint: Checkpoint) -> Objective:
    """WBC with the rewards that a post-trained checkpoint carries; pretraining without any.

    METHOD, "Multi-cadence": *post-training* goes on day after day. A pretraining loss would unlearn
    that a logit is a value.
    """
    if REWARDS not in checkpoint.extra:
        return Pretraining()
    return WeightedClassification(Rewards.parse(checkpoint.extra[REWARDS].decode()))
