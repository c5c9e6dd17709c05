"""What the pipeline's rankers learn from."""

from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pytest

from dataset.folder import DataFolder
from evaluation.multistage.learning import LearningSettings, Trees, learn_pipeline
from genpage.errors import UsageError

NAN = float("nan")
FEW = Trees(20, 7, 20)
FAST = LearningSettings(pages=150, engaged_trees=FEW, worth_trees=FEW, row_trees=FEW)


@pytest.mark.parametrize(
    ("settings", "name", "value", "said"),
    [
        (FEW, "count", 0, "a whole number, at least 1, not 0"),
        (FEW, "leaves", 1, "a whole number, at least 2, not 1"),
        (FEW, "least_in_leaf", 1.5, "a whole number, at least 1, not 1.5"),
        (FEW, "learning_rate", NAN, "a number above 0 and at most 1, not nan"),
        (FAST, "pages", 1, "a whole number, at least 2, not 1"),
        (FAST, "row_share", 1.1, "a number above 0 and at most 1, not 1.1"),
        (FAST, "idle_share", 0.0, "a number above 0 and at most 1, not 0.0"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_name_and_bounds(
    settings: Any,  # noqa: ANN401 - either dataclass
    name: str,
    value: float,
    said: str,
) -> None:
    """As it is made, not as a rate of 0 or of nothing divides by it."""
    with pytest.raises(UsageError) as told:
        replace(settings, **{name: value})
    assert str(told.value) == f"{name} must be {said}"


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
