"""Recall-based scores from confusion counts, so that they can be summed over batches."""

import jax
import jax.numpy as jnp


def confusion(labels: jax.Array, predictions: jax.Array, *, classes: int) -> jax.Array:
    """Count predictions per class.

    Shapes: labels [B], predictions [B] -> [K, K], rows are true classes.
    """
    index = labels * classes + predictions
    return jnp.zeros(classes * classes, jnp.int32).at[index].add(1).reshape(classes, classes)


def recalls(counts: jax.Array) -> jax.Array:
    """Return the recall of each class: [K, K] -> [K]; 0 for a class without samples."""
    return counts.diagonal() / jnp.maximum(counts.sum(1), 1)


def weighted_average_recall(counts: jax.Array) -> jax.Array:
    """Return WAR = Σ_k n_k r_k / Σ_k n_k, which is accuracy. Shapes: [K, K] -> []."""
    return counts.trace() / jnp.maximum(counts.sum(), 1)


def unweighted_average_recall(counts: jax.Array) -> jax.Array:
    """Return UAR = mean of the recalls of the classes that have samples. Shapes: [K, K] -> []."""
    return recalls(counts).sum() / jnp.maximum((counts.sum(1) > 0).sum(), 1)
