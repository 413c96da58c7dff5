"""Recall-based scores from confusion counts, so that they can be summed over batches.

Arguments of other shapes than documented raise AssertionError (chex) when a function is traced.
"""

import chex
import jax
import jax.numpy as jnp

from ttfs_jax.support import Array


def confusion(labels: jax.Array, predictions: jax.Array, *, classes: int) -> jax.Array:
    """Count predictions per class.

    Shapes: labels [B], predictions [B] -> [K, K], rows are true classes.
    """
    chex.assert_rank(labels, 1)
    chex.assert_equal_shape([labels, predictions])
    chex.assert_type([labels, predictions], int)
    index = labels * classes + predictions
    return jnp.zeros(classes * classes, jnp.int32).at[index].add(1).reshape(classes, classes)


def recalls(counts: Array) -> jax.Array:
    """Return the recall of each class: `counts` [K, K] -> [K]; 0 for a class without samples."""
    _check(counts)
    return jnp.divide(counts.diagonal(), jnp.maximum(counts.sum(1), 1))


def weighted_average_recall(counts: Array) -> jax.Array:
    """Return WAR = Σ_k n_k r_k / Σ_k n_k, which is accuracy. Shapes: `counts` [K, K] -> [].

    Examples:
        >>> import numpy as np
        >>> float(weighted_average_recall(np.array([[3, 1], [0, 4]])))  # 7 of 8
        0.875
    """
    _check(counts)
    return jnp.divide(counts.trace(), jnp.maximum(counts.sum(), 1))


def unweighted_average_recall(counts: Array) -> jax.Array:
    """Return UAR = mean recall of the classes with samples. Shapes: `counts` [K, K] -> [].

    Examples:
        >>> import numpy as np
        >>> float(unweighted_average_recall(np.array([[2, 2], [0, 1]])))  # the mean of 1/2 and 1
        0.75
    """
    _check(counts)
    return recalls(counts).sum() / jnp.maximum((counts.sum(1) > 0).sum(), 1)


def _check(counts: Array) -> None:
    """Check that counts are those of a confusion: [K, K]."""
    chex.assert_rank(counts, 2)
    chex.assert_shape(counts, (counts.shape[0],) * 2)
