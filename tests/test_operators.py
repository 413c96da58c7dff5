"""The lean backward pass of a block against JAX's own through the same branches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax import operators
from ttfs_jax.layers import NORM_EPSILON, Reading, Signal, Weights
from ttfs_jax.operators import run_operator
from ttfs_jax.spike_time import fire

SHAPE = (3, 6, 4, 5)  # B, H, W, C
MASK = jnp.array([True, True, True, True, False])


def weights(key, size, window):
    keys = jax.random.split(key, 4)
    channels = SHAPE[-1]
    return Weights(
        kernel=0.3 * jax.random.normal(keys[0], (size * size * channels, channels)),
        scale=1.0 + 0.2 * jax.random.normal(keys[1], (channels,)),
        bias=0.2 * jax.random.normal(keys[2], (channels,)),
        mean=0.1 * jax.random.normal(keys[3], (channels,)),
        std=jnp.full(channels, 1.0 + NORM_EPSILON),
        window=jnp.array(window),
    )


def problem(code):
    key, *keys = jax.random.split(jax.random.key(4), 3)
    layers = weights(keys[0], 5, 9.0), weights(keys[1], 3, 12.0)
    values = jnp.maximum(jax.random.uniform(key, SHAPE, minval=-0.5), 0.0)
    if code == "ttfs":
        values = fire(values, jnp.array(1.0))
    return Signal(values, jnp.array(1.0)), layers


def loss(run, reading):
    def of(signal, layers, operator):
        after, first, second = run(signal, operator, layers, reading, MASK)
        charge = jnp.where(jnp.isfinite(after.values), after.values, 0.0)
        return (charge**2).sum() + 3.0 * first.activity + 5.0 * second.activity

    return of


def plain(signal, operator, layers, reading, mask):
    return operators._choose(signal, operator, layers, reading, mask, keep=False)


def close(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=2e-4 + 1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("code", "batch_statistics"), [("relu", True), ("relu", False), ("ttfs", True), ("ttfs", False)]
)
def test_gradients_equal_those_through_the_plain_switch(code, batch_statistics):
    signal, layers = problem(code)
    reading = Reading(code, batch_statistics, jnp.array(5))
    chosen = jnp.arange(4)

    def gradients(run):
        grad = jax.value_and_grad(loss(run, reading), (0, 1))
        one_by_one = jax.lax.map(lambda operator: grad(signal, layers, operator), chosen)
        side_by_side = jax.vmap(lambda operator: grad(signal, layers, operator))(chosen)
        return one_by_one, side_by_side

    ours, theirs = jax.jit(lambda: gradients(run_operator))(), jax.jit(lambda: gradients(plain))()
    for got, wanted in zip(ours, theirs, strict=True):
        jax.tree.map(close, got, wanted)
    kernel_bar = ours[0][1][1][0].kernel
    assert np.abs(kernel_bar[1:]).max((1, 2)).min() > 0  # of every operator but skip


def test_backward_keeps_three_maps():
    signal, layers = problem("relu")
    reading = Reading("relu", True)
    _, pull = jax.vjp(
        lambda s, w, operator: run_operator(s, operator, w, reading, MASK), signal, layers, 2
    )
    maps = [leaf for leaf in jax.tree.leaves(pull) if leaf.shape == SHAPE]
    assert len(maps) == 3  # the input and two potentials
