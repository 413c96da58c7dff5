"""Arguments of a shape or type that no meaning fits are refused when a function is traced."""

import jax
import jax.numpy as jnp
import pytest

from ttfs_jax.network.architecture import Architecture, NetworkSpec
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.tasks.augmentation import augment
from ttfs_jax.tasks.losses import (
    balanced_weights,
    cross_entropy,
    first_spike_cross_entropy,
    silence_penalty,
)
from ttfs_jax.tasks.recall import confusion, recalls, unweighted_average_recall
from ttfs_jax.training.config import TrainConfig
from ttfs_jax.training.recipe import make_train

SCORES, LABELS, COUNTS = jnp.ones((4, 3)), jnp.arange(4) % 3, jnp.eye(3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: cross_entropy(SCORES, LABELS[:2]),
        lambda: cross_entropy(SCORES[0], LABELS[0]),
        lambda: cross_entropy(SCORES, LABELS.astype(float)),
        lambda: cross_entropy(SCORES, LABELS, class_weights=jnp.ones(4)),
        lambda: balanced_weights(COUNTS, classes=3),
        lambda: first_spike_cross_entropy(SCORES, SCORES, window=1.0),
        lambda: silence_penalty(SCORES, SCORES, SCORES),
        lambda: confusion(LABELS, LABELS[:, None], classes=3),
        lambda: recalls(SCORES),
        lambda: unweighted_average_recall(jnp.ones(3)),
        lambda: augment(SCORES, jax.random.key(0)),
    ],
)
def test_shapes_that_no_meaning_fits_are_refused(call):
    with pytest.raises(AssertionError):
        jax.eval_shape(call)


@pytest.mark.parametrize(
    ("images", "labels"), [((7, 4, 4, 1), 8), ((8, 4, 5, 1), 8), ((8, 4, 4, 1), 7)]
)
def test_a_recipe_wants_the_samples_it_was_made_for(images, labels):
    network = Network(NetworkSpec((4, 4, 1), 3, (3,), (0,), head_width=4))
    chosen = Architecture(jnp.zeros(0, jnp.int32), jnp.array([3]), jnp.array(4), jnp.array(0))
    recipe = make_train(network, TrainConfig(batch_size=4), samples=8)
    state = jax.eval_shape(lambda: recipe.init(initialise(network, jax.random.key(0))))
    data = jnp.ones(images), jnp.zeros(labels, int)
    with pytest.raises(AssertionError):
        jax.eval_shape(recipe.epoch, state, chosen, *data, jnp.uint32(0))
