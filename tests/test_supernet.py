"""The supernet trains by one program, and gives the same weights on any number of devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_spaces import SMALL

from search.strategies.inherited.supernet import make_supernet, place
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.training.recipe import TrainConfig

NETWORK = Network(SMALL.spec)
RECIPE = TrainConfig(epochs=3, batch_size=8)
IMAGES = jax.random.uniform(jax.random.key(1), (24, 6, 6, 1))
LABELS = jnp.arange(24) % 3


@pytest.fixture(scope="module")
def variables():
    return initialise(NETWORK, jax.random.key(0))


def train(variables, devices, *, passes=2):
    recipe = make_supernet(NETWORK, SMALL, RECIPE, paths=4, samples=24, shift=1, devices=devices)
    state = recipe.init(variables)
    state, images, labels = place((state, IMAGES, LABELS), paths=4, devices=devices)
    one_pass = jax.jit(recipe.epoch)
    for _ in range(passes):
        state, loss = one_pass(state, images, labels, jnp.uint32(7))
    assert np.isfinite(loss)
    return state, one_pass._cache_size()


@pytest.mark.parametrize("count", [1, 3, 4])
def test_all_passes_are_one_program(variables, count):
    state, programs = train(variables, jax.devices()[:count])
    assert programs == 1
    assert int(state.epoch) == 2


def test_the_number_of_devices_changes_no_bit(variables):
    one, four = (train(variables, jax.devices()[:count])[0].variables for count in (1, 4))
    jax.tree.map(np.testing.assert_array_equal, one, four)
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), one["params"], variables["params"])
    assert all(jax.tree.leaves(moved))
