"""The order of samples within an epoch."""

import jax


def batch_order(key: jax.Array, samples: int, batch_size: int) -> jax.Array:
    """Draw the order of one epoch: indices [steps, B]; the incomplete last batch is left out.

    `key` is the randomness; so many `samples` are cut into batches of `batch_size` B.
    """
    steps = samples // batch_size
    order = jax.random.permutation(key, samples)
    return order[: steps * batch_size].reshape(steps, batch_size)
