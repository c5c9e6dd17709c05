"""What the pipeline's rankers learn from."""

from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pytest

from dataset.folder import DataFolder
from evaluation.multistage.learning import LearningSettings, Trees, learn_pipeline

FEW = Trees(20, 7, 20)
FAST = LearningSettings(pages=150, engaged_trees=FEW, worth_trees=FEW, row_trees=FEW)


def test_a_pipeline_that_keeps_all_idle_titles_still_tells_them_from_the_others(
    service: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then all weigh one; what was acted on is no matter of weights."""
    learnt: list[tuple[str, float]] = []
    train = lightgbm.train

    def watched(parameters: dict[str, Any], data: lightgbm.Dataset, count: int) -> lightgbm.Booster:
        label: Any = data.get_label()
        learnt.append((parameters["objective"], float(np.mean(label))))
        return train(parameters, data, count)

    monkeypatch.setattr(lightgbm, "train", watched)
    learn_pipeline(service, service.days()[-1], settings=replace(FAST, idle_share=1.0))
    (engaged,) = [mean for objective, mean in learnt if objective == "binary"]
    assert 0.0 < engaged < 0.5
