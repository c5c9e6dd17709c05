"""What a checkpoint goes on with: whoever trains it further trains it for the same."""

from model.checkpoint import Checkpoint
from training.objective import Objective
from training.pretrain import Pretraining
from training.wbc import REWARDS, WeightedClassification


def objective_of(checkpoint: Checkpoint) -> Objective:
    """WBC as a post-trained checkpoint carries it; pretraining where it carries no rewards.

    METHOD, "Multi-cadence": *post-training* goes on day after day. A pretraining loss would unlearn
    that a logit is a value, and an appeal that was settled would be learnt by another loss.
    """
    if REWARDS not in checkpoint.extra:
        return Pretraining()
    return WeightedClassification.continued(checkpoint.extra)
