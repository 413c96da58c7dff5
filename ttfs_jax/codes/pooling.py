"""Blocks of neighbouring positions, and the largest or earliest value of each."""

from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np


def blocks(x: jax.Array, size: int, fill: float) -> jax.Array:
    """Pad to a multiple of `size` s with `fill` and split.

    Shapes: `x` [B, H, W, C] -> [B, ⌈H/s⌉, s, ⌈W/s⌉, s, C].
    """
    batch, height, width, channels = x.shape
    rows, columns = -(-height // size), -(-width // size)
    padding = ((0, 0), (0, rows * size - height), (0, columns * size - width), (0, 0))
    padded = jnp.pad(x, padding, constant_values=fill)
    return padded.reshape(batch, rows, size, columns, size, channels)


@jax.custom_jvp
def earliest(times: jax.Array) -> jax.Array:
    """Find the smallest of `times` in each block: [B, H/s, s, W/s, s, C] -> [B, H/s, W/s, C].

    ∂t/∂t_j = 1/n for each of the n smallest values, 0 for all others.
    """
    return times.min((2, 4))


@earliest.defjvp
def _earliest_jvp(primals, tangents):
    def one_by_one(blocks):
        return [blocks[:, :, i, :, j] for i, j in np.ndindex(blocks.shape[2], blocks.shape[4])]

    # Spikes are compared with each other, not with their minimum: XLA may recompute a time for each
    # use with different rounding, so that none equals the minimum.
    (times,), (tangent,) = primals, tangents
    each = one_by_one(times)
    first = [reduce(jnp.logical_and, [one <= other for other in each]) for one in each]
    count = jnp.maximum(sum(is_first.astype(times.dtype) for is_first in first), 1)
    moved = zip(first, one_by_one(tangent), strict=True)
    return earliest(times), sum(jnp.where(is_first, t, 0) for is_first, t in moved) / count


def block_means(x: jax.Array, *, size: int = 2) -> jax.Array:
    """Average charges over neighbourhoods; linear, so it folds into the next layer's weights.

    Shapes: `x` [B, H, W, C] -> [B, ⌈H/s⌉, ⌈W/s⌉, C] for blocks of s × s, s = `size`; odd borders
    count as silent.
    """
    return blocks(x, size, 0.0).mean((2, 4))
