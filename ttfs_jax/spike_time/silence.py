"""How "no spike" is represented, and the two NaN-safe readings of a spike time.

Spike times are local to the window of their layer: 0 is the start of the window and T its
length. A neuron that does not spike has the time `NO_SPIKE`, which sorts after every spike, is
never equal to one, and is turned into charge 0 before any product could turn it into NaN.
"""

import jax
from jax.typing import ArrayLike

from ttfs_jax.spike_time.arguments import check_positive, promote

# The time of a neuron that does not spike: +∞.
NO_SPIKE = float("inf")


def is_spike(times: jax.Array) -> jax.Array:
    """Tell which neurons spiked.

    Shapes: times [...] -> bool [...]. `NO_SPIKE` gives False; NaN gives True, so that a NaN is
    counted instead of looking like silence.

    Examples:
        >>> import jax.numpy as jnp
        >>> is_spike(jnp.array([0.5, NO_SPIKE])).tolist()
        [True, False]
    """
    return times != NO_SPIKE


def charge(times: jax.Array, window: ArrayLike) -> jax.Array:
    """Return the charge per unit weight that each spike has delivered by the window's end.

    q = T − t, and q = 0 without a spike. This is the activation of the ReLU twin.

    Shapes: times [...], window broadcastable to it -> [...]; time units.
    No spike: charge 0 with gradient 0. NaN stays NaN.
    Raises: InputError when a window that is not traced is not above 0.
    Source: Stanojevic et al. 2024, Nature Communications 15:6793, eq. 4 (arXiv:2306.08744).

    Examples:
        >>> import jax.numpy as jnp
        >>> charge(jnp.array([0.25, NO_SPIKE]), 1.0).tolist()
        [0.75, 0.0]
    """
    check_positive("window", window)
    times, window = promote(times=times, window=window)
    return jax.nn.relu(window - times)  # its derivative is 0 at 0 and at −∞
