"""When the truth parts from the model's word, the run stops; noise alone does not stop it."""

import numpy as np

from training.rl.watch import Look, Watch


def look(step: int, model: float, truth: float, noise: float = 0.01) -> Look:
    """A hundred visits around a mean; the same visits each time."""
    chance = np.random.default_rng(step)
    spread = np.random.default_rng(99).normal(size=100)
    return Look(step, model + spread, truth + spread + noise * chance.normal(size=100))


def test_what_rises_together_is_not_stopped() -> None:
    """Each look is the best so far."""
    watch = Watch()
    assert all(watch.see(look(step, step * 1.0, step * 0.1)) for step in range(5))
    assert not watch.hacked
    assert watch.best is not None
    assert watch.best.step == 4


def test_the_model_pleased_and_the_truth_falling_is_hacking() -> None:
    """Two looks in a row; the best one is remembered."""
    watch = Watch(patience=2)
    for step, truth in enumerate((0.5, 0.7, 0.6)):
        watch.see(look(step, 1.0 + step, truth))
    assert watch.worse == 1
    watch.see(look(3, 4.0, 0.4))
    assert watch.hacked
    assert watch.best is not None
    assert watch.best.step == 1


def test_a_fall_within_the_noise_does_not_count() -> None:
    """Nor does one where the model's word falls too: that is bad luck, not hacking."""
    noisy = Watch(patience=1)
    noisy.see(look(0, 1.0, 0.5, noise=2.0))
    noisy.see(look(1, 2.0, 0.45, noise=2.0))
    assert not noisy.hacked
    falling = Watch(patience=1)
    falling.see(look(0, 1.0, 0.5))
    falling.see(look(1, 0.5, 0.2))
    assert not falling.hacked
