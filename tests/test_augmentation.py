"""Augmentation: shifts and mirrors, each sample by itself."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ttfs_jax.tasks.augmentation import augment

KEYS = jax.random.split(jax.random.key(0), 3)


def images(count, shape):
    drawn = np.random.default_rng(0).uniform(0.1, 1.0, (count, *shape))
    return jnp.asarray(drawn, jnp.float32)


def mapped(function, keys=KEYS):
    """Check that vmap gives the same as one key at a time, both under jit; return the former."""
    together = jax.jit(jax.vmap(function))(keys)
    one = jax.jit(function)
    for n, key in enumerate(keys):
        own = jax.tree.map(lambda leaf, n=n: leaf[n], together)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), own, one(key))
    return jax.tree.map(np.asarray, together)


def test_augmented_images_are_shifted_or_mirrored_ones():
    x = np.asarray(images(40, (5, 6, 2)))
    changed = mapped(lambda key: augment(jnp.asarray(x), key, shift=1, flip=True))
    seen = set()
    for before, after in zip(np.tile(x, (3, 1, 1, 1)), changed.reshape(-1, 5, 6, 2), strict=True):
        edged = np.pad(before, ((1, 1), (1, 1), (0, 0)))
        possible = {
            (i, j, step): edged[i : i + 5, j : j + 6][:, ::step]
            for i in range(3)
            for j in range(3)
            for step in (1, -1)
        }
        seen |= {name for name, image in possible.items() if (image == after).all()}
    assert len(seen) == 18
    np.testing.assert_array_equal(augment(jnp.asarray(x), KEYS[0]), x)
