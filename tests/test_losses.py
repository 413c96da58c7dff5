"""Losses by hand: class weights and smoothing, silent neurons, first spikes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax.spike_time import NO_SPIKE
from ttfs_jax.support.errors import InputError
from ttfs_jax.tasks import TASKS
from ttfs_jax.tasks.losses import cross_entropy, first_spike_logits, silence_penalty
from ttfs_jax.training.config import TrainConfig


def test_weighted_and_smoothed_cross_entropy_by_hand():
    logits = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]]))
    labels, weights = jnp.array([0, 1]), jnp.array([1.0, 2.0, 4.0])
    assert cross_entropy(logits, labels) == pytest.approx(1.5 * np.log(2))
    weighted = cross_entropy(logits, labels, class_weights=weights)
    assert weighted == pytest.approx((np.log(2) + 2 * np.log(4)) / 2)
    # 0.3 of each target is spread over the classes, whose mean surprise is 5/3 log 2.
    smooth = cross_entropy(logits, labels, smoothing=0.3, class_weights=weights)
    first, second = (0.7 * share + 0.3 * 5 / 3 for share in (1, 2))
    assert smooth == pytest.approx((first + 2 * second) / 2 * np.log(2))


def test_silent_neurons_are_pulled_back_and_spikes_left_alone():
    times, weights = jnp.array([[0.0, NO_SPIKE]]), jnp.array([[0.25, 9.0], [9.0, 9.0]])
    out = jnp.array([[NO_SPIKE, 0.1]])
    value, gradient = jax.value_and_grad(
        lambda w: silence_penalty(times, w, out, threshold=1.0, margin=2.0)
    )(weights)
    np.testing.assert_allclose(value, (2.0 - 0.25) / 2)  # two neurons
    np.testing.assert_allclose(gradient, [[-0.5, 0.0], [0.0, 0.0]])
    logits = first_spike_logits(jnp.array([0.5, NO_SPIKE]), window=2.0, temperature=0.5)
    np.testing.assert_allclose(logits, [-1.0, -4.0])


@pytest.mark.parametrize(
    "targets", [jnp.zeros(2), jnp.zeros((2, 1), int), jnp.zeros((2, 4, 4, 1)), jnp.zeros((2, 4))]
)
def test_targets_of_a_classifier_are_class_indices(targets):
    classification, potentials = TASKS["classification"], jnp.zeros((2, 3))
    recipe, window = TrainConfig(), {"window": jnp.ones(()), "shift": jnp.zeros(())}
    with pytest.raises(InputError, match=r"class indices \[N\], whole numbers"):
        classification.loss(potentials, targets, weights=None, recipe=recipe)
    with pytest.raises(InputError, match=r"class indices \[N\], whole numbers"):
        classification.tally(potentials, targets, window)
    with pytest.raises(InputError, match=r"class indices \[N, 4, 4\]"):
        classification.tally(jnp.zeros((2, 4, 4, 3)), jnp.zeros(2, int), window)
