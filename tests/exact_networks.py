"""Small stacks of layers and their exact conversions for the chip."""

import functools

import jax.numpy as jnp
import numpy as np

from hardware.xylo.mappings.exact import convert, encode_exact
from ttfs_jax.network.dense import Dense, relu, windows

UNIT = Dense(np.ones((1, 1)), np.zeros(1))


def tiny(first=UNIT, second=UNIT, steps=4, **options):
    """One input, one hidden neuron, one class; the window and the range are 0 … 1."""
    return convert((first, second), [1.0], (0.0, 1.0), steps=steps, **options)


def encode_for(exact, inputs):
    return encode_exact(inputs, steps=exact.steps, total_steps=exact.total_steps)


@functools.cache
def drawn(seed, sizes=(5, 8, 6, 3), samples=40):
    """A random stack with biases, and inputs of which a quarter are 0."""
    rng = np.random.default_rng(seed)

    def normal(scale, *shape):
        return jnp.asarray(scale * rng.normal(size=shape), jnp.float32)

    layers = tuple(
        Dense(normal((2.0 / i) ** 0.5, i, o), normal(0.3, o))
        for i, o in zip(sizes[:-1], sizes[1:], strict=True)
    )
    shape = (samples, sizes[0])
    return layers, jnp.asarray(rng.random(shape) * (rng.random(shape) > 0.25), jnp.float32)


def converted(layers, inputs, **options):
    logits, _ = relu(layers, inputs)
    limits = float(logits.min()), float(logits.max())
    return convert(layers, windows(layers, inputs), limits, **options)
