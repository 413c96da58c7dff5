"""The protocol: several draws per sequence, intervals over sequences."""

import numpy as np
import pytest

from ttfs_jax.evaluation import protocol

CLASSES = ("a", "b", "c")


def test_scores_by_hand():
    # Four sequences, two draws each, in order of draws; the second sequence is half right.
    labels = np.array([0, 0, 1, 2] * 2)
    predictions = np.array([0, 0, 1, 0, 0, 1, 1, 0])
    columns = {
        "sequence": np.array([7, 3, 5, 9] * 2),
        "light": np.array(["Low", "HDR", "Low", "HDR"] * 2),
    }
    found = protocol.score_draws(predictions, labels, CLASSES, columns)
    assert (found["sequences"], found["draws"]) == (4, 2)
    assert found["war"] == pytest.approx(5 / 8)
    assert found["uar"] == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert found["recall"] == pytest.approx({"a": 0.75, "b": 1.0, "c": 0.0})
    assert found["confusion"] == [[3, 1, 0], [0, 2, 0], [2, 0, 0]]
    assert found["light"]["Low"] == {"war": 1.0, "uar": 1.0}
    assert found["light"]["HDR"]["war"] == pytest.approx(1 / 4)
    per_draw = [(predictions[d::2] == labels[d::2]).mean() for d in range(2)]
    assert found["war"] == pytest.approx(np.mean(per_draw))


def test_interval_is_over_sequences_not_draws():
    generator = np.random.default_rng(0)
    right = generator.random(200) < 0.7
    labels = generator.integers(0, 3, 200)
    one = np.where(right, labels, (labels + 1) % 3)
    draws = 20
    many = protocol.score_draws(
        np.tile(one, draws),
        np.tile(labels, draws),
        CLASSES,
        {"sequence": np.tile(np.arange(200), draws)},
    )
    single = protocol.score_draws(one, labels, CLASSES, {})
    assert many["interval"]["war"] == pytest.approx(single["interval"]["war"])
    low, high = single["interval"]["war"]
    error = np.sqrt(0.7 * 0.3 / 200)
    assert low < single["war"] < high
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.2)


def test_interval_covers_the_truth_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(protocol, "BATCH", protocol.RESAMPLES)  # all at once: the same, faster
    generator = np.random.default_rng(1)
    covered = 0
    for seed in range(100):
        labels = generator.integers(0, 3, 120)
        right = generator.random(120) < 0.6
        found = protocol.score_draws(
            np.where(right, labels, (labels + 1) % 3), labels, CLASSES, {}, seed=seed
        )
        low, high = found["interval"]["war"]
        covered += low <= 0.6 <= high
    assert 88 <= covered <= 100


def test_one_sequence_has_a_degenerate_interval():
    found = protocol.score_draws(
        np.array([1, 0]), np.array([1, 1]), CLASSES, {"sequence": np.zeros(2)}
    )
    assert found["war"] == found["uar"] == 0.5
    assert found["interval"]["war"] == [0.5, 0.5]
