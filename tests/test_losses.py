"""Losses by hand: blended targets, distillation, silent neurons, first spikes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax.spike_time import NO_SPIKE
from ttfs_jax.support.errors import InputError
from ttfs_jax.tasks import TASKS
from ttfs_jax.tasks.losses import cross_entropy, first_spike_logits, silence_penalty
from ttfs_jax.training.config import TrainConfig
from ttfs_jax.training.distillation import divergence


def test_loss_of_blended_targets_by_hand():
    logits = jnp.log(jnp.array([[0.5, 0.25, 0.25]]))
    shares, weights = jnp.array([[0.75, 0.25, 0.0]]), jnp.array([1.0, 2.0, 4.0])
    assert cross_entropy(logits, shares) == pytest.approx(1.25 * np.log(2))
    weighted = cross_entropy(logits, shares, class_weights=weights)
    assert weighted == pytest.approx(0.75 * np.log(2) + 0.25 * 2 * np.log(4))
    options = {"smoothing": 0.3, "class_weights": weights}
    for label in range(3):
        whole = cross_entropy(logits, jnp.eye(3)[None, label], **options)
        assert whole == pytest.approx(cross_entropy(logits, jnp.array([label]), **options))


def test_divergence_by_hand():
    teacher, student = jnp.log(jnp.array([[4.0, 1.0], [1.0, 1.0]])), jnp.zeros((2, 2))
    # At temperature 2 the odds of 4 to 1 become 2 to 1; the second sample agrees.
    by_hand = 4 * (2 / 3 * np.log(4 / 3) + 1 / 3 * np.log(2 / 3)) / 2
    loss = jax.jit(lambda s, t: divergence(s, t, temperature=2.0))
    assert loss(student, teacher) == pytest.approx(by_hand, rel=1e-5)
    to_student, to_teacher = jax.grad(loss, (0, 1))(student, teacher)
    # τ (q − p) / B
    np.testing.assert_allclose(to_student, [[-1 / 6, 1 / 6], [0, 0]], atol=1e-6)
    np.testing.assert_array_equal(to_teacher, np.zeros((2, 2)))
    assert jax.vmap(loss)(student[None], teacher[None])[0] == pytest.approx(by_hand, rel=1e-5)


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
def test_targets_of_a_classifier_are_indices_or_shares(targets):
    classification, potentials = TASKS["classification"], jnp.zeros((2, 3))
    recipe, window = TrainConfig(), {"window": jnp.ones(()), "shift": jnp.zeros(())}
    with pytest.raises(InputError, match=r"class indices \[N\], whole numbers"):
        classification.loss(potentials, targets, weights=None, recipe=recipe)
    with pytest.raises(InputError, match=r"class indices \[N\], whole numbers"):
        classification.tally(potentials, targets, window)
    with pytest.raises(InputError, match=r"class indices \[N, 4, 4\]"):
        classification.tally(jnp.zeros((2, 4, 4, 3)), jnp.zeros(2, int), window)
