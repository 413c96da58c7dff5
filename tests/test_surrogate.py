"""The surrogate: what it learns of genes, how sure it is, and how it ranks the stored tables."""

import numpy as np
import pytest

from benchmarks import ranking
from search.strategies.surrogate import Surrogate
from ttfs_jax.support.errors import InputError

CHOICES = (4, 3, 2)
EFFECTS = (np.array([0.0, 0.1, 0.2, 0.4]), np.array([0.3, 0.0, 0.1]), np.array([0.0, 0.05]))


def drawn(count, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, choices, count) for choices in CHOICES], 1)


def accuracy(genotypes):
    return 0.2 + sum(effect[genotypes[:, n]] for n, effect in enumerate(EFFECTS))


def test_effects_that_add_up_are_learned():
    trained, others = drawn(60), drawn(200, seed=1)
    prediction = Surrogate(trained, accuracy(trained), choices=CHOICES).predict(others)
    np.testing.assert_allclose(prediction.mean, accuracy(others), atol=1e-3)
    assert prediction.std.shape == (200,) and (prediction.std < 0.01).all()


def test_what_was_never_seen_is_less_sure():
    trained = drawn(60)
    trained[:, 0] %= 3  # the last choice of the first gene is never trained
    noise = np.random.default_rng(2).normal(0, 0.02, 60)
    surrogate = Surrogate(trained, accuracy(trained) + noise, choices=CHOICES)
    unseen, seen = surrogate.predict(np.array([[3, 0, 0], [2, 0, 0]])).std
    assert unseen > 1.5 * seen > 0.02


def test_a_ridge_regression_by_its_normal_equations():
    """At its own precisions the mean is (XᵀX + λ/α I)⁻¹ Xᵀy of centred columns."""
    trained = drawn(30)
    scores = accuracy(trained) + np.random.default_rng(3).normal(0, 0.05, 30)
    surrogate = Surrogate(trained, scores, choices=CHOICES)
    columns = np.concatenate([np.eye(c)[trained[:, n]] for n, c in enumerate(CHOICES)], 1)
    centred = columns - columns.mean(0)
    ratio = surrogate._regression.lambda_ / surrogate._regression.alpha_
    weights = np.linalg.solve(
        centred.T @ centred + ratio * np.eye(9), centred.T @ (scores - scores.mean())
    )
    expected = scores.mean() + centred @ weights
    np.testing.assert_allclose(surrogate.predict(trained).mean, expected, rtol=1e-6)


def test_no_genotype_has_no_prediction():
    surrogate = Surrogate(drawn(9), accuracy(drawn(9)), choices=CHOICES)
    assert surrogate.predict(np.zeros((0, 3), int)).mean.shape == (0,)


@pytest.mark.parametrize(
    ("genotypes", "scores", "words"),
    [
        (drawn(1), [0.5], "two or more architectures"),
        (drawn(2), [0.5, np.nan], "finite scores"),
        (drawn(2)[:, :2], [0.5, 0.6], r"must be \[n, 3\], one choice per gene, not \[2, 2\]"),
        (drawn(2) + 9, [0.5, 0.6], r"from 0 to below \[4, 3, 2\]"),
    ],
)
def test_unsound_input_is_named(genotypes, scores, words):
    with pytest.raises(InputError, match=words):
        Surrogate(genotypes, scores, choices=CHOICES)


@pytest.mark.parametrize("data", ["fashion-mnist", "eye"])
def test_it_ranks_the_stored_architectures(data, monkeypatch):
    monkeypatch.setattr(ranking, "SPLITS", 40)
    columns = ranking.read_tables(ranking.TABLE)[data]
    truth = np.nanmean([columns[f"full_{n}"] for n in range(3)], 0)
    row = ranking.predicted_correlation(columns, truth)
    assert row["tau_low"] < row["tau"] < row["tau_high"]
    assert row["tau"] > 0.72  # the ceiling is 0.77 and 0.80, SynOps have 0.63 and 0.58
    shuffled = np.random.default_rng(0).permutation(truth)
    columns = {**columns, "full_0": shuffled}
    assert abs(ranking.predicted_correlation(columns, truth)["tau"]) < 0.2
