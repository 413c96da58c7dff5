"""Augmentation: shifts and mirrors, erased rectangles, blended images, each sample by itself."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ttfs_jax.tasks.augmentation import augment, erase_rectangles, mixup

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


def test_an_erased_part_is_one_black_rectangle_of_at_most_the_share():
    x = np.asarray(images(200, (9, 7, 2)))
    erased = mapped(lambda key: erase_rectangles(jnp.asarray(x), key, share=0.4))
    black = (erased == 0).all(-1)
    assert ((erased == x) | black[..., None]).all()
    assert black.mean((2, 3)).max() <= 0.4
    assert 0.1 < black.mean() < 0.2  # about half of the largest share
    rows, columns = black.any(3), black.any(2)
    np.testing.assert_array_equal(black, rows[..., None] & columns[:, :, None])
    assert (np.abs(np.diff(np.pad(rows, ((0, 0), (0, 0), (1, 1))).astype(int))).sum(-1) <= 2).all()
    assert black.mean((0, 1)).min() > 0.03  # everywhere
    augmented = augment(jnp.asarray(x), KEYS[0], erase=0.4)
    assert ((augmented == x) | (augmented == 0)).all()


def test_images_and_targets_are_blended_alike():
    x = jnp.broadcast_to(jnp.arange(8.0).reshape(8, 1, 1, 1) / 8, (8, 6, 6, 1))
    blended, targets = mapped(lambda key: mixup((x, jnp.eye(8)), key, alpha=0.4))
    shares = []
    for n in range(3):
        share = np.diag(targets[n])
        share = share[share < 1][0]  # a sample may be its own partner
        partner = (targets[n] - share * np.eye(8)).argmax(1)
        assert sorted(partner) == list(range(8))
        wanted = share * np.eye(8) + (1 - share) * np.eye(8)[partner]
        np.testing.assert_allclose(targets[n], wanted, atol=1e-6)
        np.testing.assert_allclose(blended[n, :, 0, 0, 0], wanted @ np.arange(8) / 8, atol=1e-6)
        shares.append(share)
    assert len(np.unique(shares)) == 3
