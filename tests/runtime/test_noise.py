"""Noise by position: addressed, not drawn, and of the right distribution."""

import numpy as np

from runtime.noise import gumbel

ALL = np.arange(1000, dtype=np.int32)


def test_an_index_has_its_noise_whoever_else_is_allowed() -> None:
    """A subset's noise is the subset of the noise."""
    some = np.array([3, 500, 999], np.int32)
    assert np.array_equal(gumbel(7, 2, 1000, some), gumbel(7, 2, 1000, ALL)[some])


def test_positions_and_seeds_have_streams_of_their_own() -> None:
    """Neither neighbouring positions nor seeds repeat or shift each other's numbers."""
    streams = [gumbel(seed, position, 1000, ALL) for seed in (0, 1) for position in (0, 1, 2)]
    values = np.concatenate(streams)
    assert len(np.unique(values)) == len(values)


def test_the_noise_is_gumbel() -> None:
    """Mean and standard deviation of 100,000 draws are those of the standard Gumbel."""
    draws = np.concatenate([gumbel(1, position, 1000, ALL) for position in range(100)])
    assert abs(draws.mean() - np.euler_gamma) < 0.02
    assert abs(draws.std() - np.pi / np.sqrt(6)) < 0.02


def test_the_best_of_logits_and_noise_is_a_sample_of_their_softmax() -> None:
    """Three choices come as often as their probabilities say."""
    logits = np.log([0.6, 0.3, 0.1])
    three = np.arange(3, dtype=np.int32)
    chosen = [int(np.argmax(logits + gumbel(5, p, 3, three))) for p in range(20_000)]
    share = np.bincount(chosen, minlength=3) / len(chosen)
    assert np.allclose(share, [0.6, 0.3, 0.1], atol=0.015)


def test_any_integer_is_a_seed() -> None:
    """Negative and huge seeds are taken modulo 2**64."""
    assert np.array_equal(gumbel(-1, 0, 5, ALL[:5]), gumbel(2**64 - 1, 0, 5, ALL[:5]))
