"""Windows: how long a layer's neurons may spike, how the length grows, and time steps in it."""

import jax
import jax.numpy as jnp

from ttfs_jax.spike_time.silence import NO_SPIKE, is_spike

READOUT_MARGIN = 2.0  # the first-spike read-out's window over the largest potential


def unit_window(values: jax.Array, length: float) -> jax.Array:
    """Return a window of a fixed length in the precision of the values: [...] -> []."""
    return jnp.asarray(length, values.dtype)


def window_length(largest: jax.Array, *, margin: float) -> jax.Array:
    """Choose the window's length from the largest activation.

    T = margin · max a, and T = 1 when nothing was active.

    Shapes: largest [] -> []; time units. A spike cannot come before the window as long as no
    unseen activation exceeds T; the share of neurons whose activation does is the clip rate.
    Source: Stanojevic et al. 2024, eq. 8 (arXiv:2306.08744); the margin there is a constant ζ.
    """
    return jnp.where(largest > 0.0, margin * largest, jnp.ones_like(largest))


def grow(window: jax.Array, largest: jax.Array, *, margin: float) -> jax.Array:
    """Lengthen a window during training so that the activations keep fitting into it.

    T ← max(T, margin · max a); a window never shrinks, so no spike moves without a reason.

    Shapes: window [], largest [] -> []; time units.
    Source: the growing update of Stanojevic et al. 2024, Methods (arXiv:2306.08744), in which
    the margin is 1 + γ with γ = 10; the smaller one here keeps the time steps short.
    """
    return jnp.maximum(window, margin * largest)


def calibrate_readout(logits: jax.Array, *, margin: float = READOUT_MARGIN) -> dict:
    """Choose window and shift of the first-spike read-out from output potentials.

    s = margin · max(−min z, 0),  T = margin · (max z + s), and T = 1 when that is not positive.

    Shapes: logits z [B, K] -> {"window": [], "shift": []}; time units. See
    `encoding.first_spike_readout`.
    """
    shift = margin * jnp.maximum(-logits.min(), 0.0)
    return {"window": window_length(logits.max() + shift, margin=margin), "shift": shift}


def grow_readout(readout: dict, logits: jax.Array, *, margin: float = READOUT_MARGIN) -> dict:
    """Lengthen window and shift of the first-spike read-out so that the potentials keep fitting.

    s ← max(s, margin · max(−min z, 0)),  T ← max(T, margin · (max z + s)).

    Shapes: logits z [B, K] -> like `readout`; time units.
    """
    shift = jnp.maximum(readout["shift"], calibrate_readout(logits, margin=margin)["shift"])
    return {"window": grow(readout["window"], logits.max() + shift, margin=margin), "shift": shift}


@jax.custom_vjp
def _quantise(times, window, bits):
    steps = jnp.exp2(bits).astype(times.dtype)
    spiking = is_spike(times)
    index = jnp.round(jnp.where(spiking, times, 0.0) / window * steps)
    on_grid = jnp.where(spiking & (index < steps), index * (window / steps), NO_SPIKE)
    # NaN compares false and would look like silence: keep it NaN.
    on_grid = jnp.where(jnp.isnan(times), times, on_grid)
    return jnp.where(bits > 0, on_grid, times)


def _quantise_fwd(times, window, bits):
    quantised = _quantise(times, window, bits)
    return quantised, (is_spike(quantised), window, bits)


def _quantise_bwd(residuals, cotangent):
    spiking, window, bits = residuals
    return jnp.where(spiking, cotangent, 0.0), jnp.zeros_like(window), jnp.zeros_like(bits)


_quantise.defvjp(_quantise_fwd, _quantise_bwd)


def quantise(times: jax.Array, window: jax.Array, bits: jax.Array) -> jax.Array:
    """Round spike times to the 2^b time steps of the window.

    t ← k · T / 2^b with k = round(2^b t / T); k = 2^b is the end of the window and silent.

    Shapes: times [...], window [], bits [] (0 leaves the times unchanged) -> [...]; time units.
    No spike stays `NO_SPIKE`; a spike in the last half step becomes one. The gradient is the
    straight-through one: 1 where a spike is left, 0 elsewhere. NaN stays NaN.
    Source: straight-through estimator, Bengio et al. 2013 (arXiv:1308.3432).

    Examples:
        >>> import jax.numpy as jnp
        >>> quantise(jnp.array([0.3, 0.99]), 1.0, 2).tolist()  # the end is silent
        [0.25, inf]
    """
    return _quantise(times, jnp.asarray(window, times.dtype), jnp.asarray(bits, times.dtype))
