"""Images to spike times, and back from output potentials to first spikes."""

import jax
import jax.numpy as jnp

from ttfs_jax.spike_time.b1 import fire

INPUT_WINDOW = 1.0


def encode(images: jax.Array) -> jax.Array:
    """Encode intensities as spike times: the brighter, the earlier.

    t = T − p with T = 1 for a pixel p in [0, 1].

    Shapes: images [...] -> spike times [...], in a window of length `INPUT_WINDOW`.
    No spike: a black pixel (p = 0) is silent. NaN stays NaN.
    Source: Stanojevic et al. 2024, Methods (arXiv:2306.08744).

    Examples:
        >>> import jax.numpy as jnp
        >>> encode(jnp.array([1.0, 0.25, 0.0])).tolist()
        [0.0, 0.75, inf]
    """
    return fire(images, jnp.asarray(INPUT_WINDOW, images.dtype))


def first_spike_readout(logits: jax.Array, window: jax.Array, shift: jax.Array) -> jax.Array:
    """Let the output neurons spike too, so that the first spike names the class.

    t_k = T − (z_k + s): argmin t = argmax z as long as the largest z_k + s is within (0, T).

    Shapes: logits z [..., K], window T [], shift s [] -> spike times [..., K].
    No spike: a class with z_k + s ≤ 0 stays silent, so it loses to every spike. Above T the
    time is clipped to 0, where classes can tie.
    Source: read-out "first spike wins" of Mostafa 2017 (arXiv:1606.08165) on the potentials of
    Stanojevic et al. 2024 (arXiv:2306.08744).
    """
    return fire(logits + shift, window)
