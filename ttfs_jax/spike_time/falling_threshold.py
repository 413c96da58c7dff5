"""Neurons that fire when a falling threshold meets the charge of the window before.

All inputs have arrived when the window begins, so that, as for B1, no causal set is searched.
"""

import jax
import jax.numpy as jnp

from ttfs_jax.spike_time.arguments import check_layer, per_neuron, promote
from ttfs_jax.spike_time.silence import NO_SPIKE, charge, is_spike


def _meet_line(height, rise, window):
    """Return where height + rise · t meets 1 − t / window, at 0 if it starts above: [O]."""
    closing = rise + 1.0 / window
    distance = 1.0 - height
    meets = (distance > 0.0) & (closing > 0.0) & (distance < closing * window)
    time = jnp.where(meets, distance, 0.0) / jnp.where(meets, closing, 1.0)
    silent = jnp.where(jnp.isnan(distance) | jnp.isnan(closing), jnp.nan, NO_SPIKE)
    return jnp.where(meets, time, jnp.where(distance <= 0.0, 0.0, silent))


@jax.custom_vjp
def _first_meeting(height, rise, window):
    return _meet_line(height, rise, window)


def _first_meeting_fwd(height, rise, window):
    time = _meet_line(height, rise, window)
    return time, (rise, window, time)


def _first_meeting_bwd(residuals, cotangent):
    rise, window, time = residuals
    moves = is_spike(time) & (time > 0.0)
    closing = jnp.where(moves, rise + 1.0 / window, 1.0)
    push = jnp.where(moves, cotangent, 0.0) / closing
    later = push * jnp.where(moves, time, 0.0)
    return -push, -later, later / window / window


_first_meeting.defvjp(_first_meeting_fwd, _first_meeting_bwd)


def linear_threshold(
    times: jax.Array,
    weights: jax.Array,
    *,
    threshold: jax.Array | float = 1.0,
    window: jax.Array | float = 1.0,
) -> jax.Array:
    """Solve one layer whose thresholds fall linearly to 0 over its window, with linear PSPs.

    With local times, V(t) = Σ_j w_j (T + t − t_j) meets θ (1 − t/T) at
    t = (θ − Σ_j w_j (T − t_j)) / (θ/T + Σ_j w_j), the sums over inputs that spiked.

    Shapes: times [I], weights [I, O], threshold [] or [O] (above 0) -> [O], local to the next
    window; window T [] in units of time, the same for both layers.
    No spike: a silent input adds nothing; a potential that does not meet the threshold before T
    gives `NO_SPIKE` with gradient 0. One that is above the threshold when the window begins
    fires at 0, with gradient 0. NaN stays NaN.
    Raises: InputError when the shapes do not fit together, or a threshold or the window is not
    above 0; one that is traced and not above 0 gives NaN.
    Source: Wei et al. 2023, DTA-TTFS (ICCV 2023), public source code.

    Examples:
        >>> from ttfs_jax import spike_time
        >>> spike_time.linear_threshold([0.5], [[1.0, -1.0]]).tolist()
        [0.25, inf]
    """
    times, weights, threshold, window = promote(
        times=times,
        weights=weights,
        threshold=threshold,
        window=window,
        positive=("threshold", "window"),
    )
    check_layer(times, weights)
    threshold = per_neuron("threshold", threshold, weights.shape[1])
    own = is_spike(times).astype(weights.dtype)
    height = charge(times, window) @ weights / threshold
    window = jnp.broadcast_to(window, height.shape)
    return _first_meeting(height, own @ weights / threshold, window)


def linear_threshold_proxy(activations: jax.Array, weights: jax.Array) -> jax.Array:
    """Compute the layer that `linear_threshold` is in the time domain, x = 1 − t.

    z = (Σ_j w_j + Σ_j w_j x_j) / (1 + Σ_j w_j) over x_j > 0, clipped to 0 … 1: equal values from
    the same weights, for training without spikes.

    Shapes: activations [I] in 0 … 1, weights [I, O] -> [O]. An activation of 0 is a silent input.
    A sum Σ_j w_j ≤ −1 gives 0 unless Σ_j w_j x_j ≥ 1.
    Source: Wei et al. 2023, DTA-TTFS (ICCV 2023), public source code.

    Examples:
        >>> from ttfs_jax import spike_time
        >>> spike_time.linear_threshold_proxy([0.5], [[1.0, -1.0]]).tolist()  # 1 − t, or 0
        [0.75, 0.0]
    """
    activations, weights = promote(activations=activations, weights=weights)
    check_layer(activations, weights)
    own = (activations > 0.0).astype(weights.dtype)
    total, height = own @ weights, activations @ weights
    meets = total > -1.0
    value = (total + height) / jnp.where(meets, 1.0 + total, 1.0)
    return jnp.where(height >= 1.0, 1.0, jnp.where(meets, jnp.clip(value, 0.0, 1.0), 0.0))


def _decay_to(drive, tau, window):
    """Return where the threshold e^(−t/τ) has fallen to the drive: [O]."""
    lowest = jnp.exp(-window / tau)
    meets = drive > lowest
    time = -tau * jnp.log(jnp.where(meets, jnp.minimum(drive, 1.0), 1.0))
    silent = jnp.where(jnp.isnan(drive) | jnp.isnan(lowest), jnp.nan, NO_SPIKE)
    return jnp.where(meets, time, silent)


@jax.custom_vjp
def _first_decay(drive, tau, window):
    return _decay_to(drive, tau, window)


def _first_decay_fwd(drive, tau, window):
    time = _decay_to(drive, tau, window)
    return time, (time, tau, window)


def _first_decay_bwd(residuals, cotangent):
    time, tau, window = residuals
    moves = is_spike(time) & (time > 0.0)
    age = jnp.where(moves, time, 0.0) / tau
    push = jnp.where(moves, cotangent, 0.0)
    # ∂t/∂a = −τ / a with a = e^(−t/τ)
    return -push * tau * jnp.exp(age), push * age, jnp.zeros_like(window)


_first_decay.defvjp(_first_decay_fwd, _first_decay_bwd)


def exponential_threshold(
    times: jax.Array,
    weights: jax.Array,
    *,
    bias: jax.Array | float = 0.0,
    threshold: jax.Array | float = 1.0,
    tau_in: jax.Array | float = 1.0,
    tau_out: jax.Array | float = 1.0,
    window: jax.Array | float = 5.0,
) -> jax.Array:
    """Solve one layer whose thresholds fall exponentially, with the same kernel for its inputs.

    V = Σ_j w_j e^(−t_j/τ_in) + b is gathered in the window before, and meets θ e^(−t/τ_out) at
    t = −τ_out ln(V/θ).

    Shapes: times [I], weights [I, O], bias and threshold (above 0) [] or [O] -> [O], local to the
    next window; `tau_in` τ_in, `tau_out` τ_out and window T [] in units of time.
    No spike: a silent input adds nothing; V ≤ θ e^(−T/τ_out) gives `NO_SPIKE` with gradient 0.
    V ≥ θ fires at 0, with gradient 0. NaN stays NaN.
    Raises: InputError when the shapes do not fit together, or a threshold, time constant or the
    window is not above 0; one that is traced and not above 0 gives NaN.
    Source: T2FSNN, Park et al. 2020, eqs. 2-6 (arXiv:2003.11741).

    Examples:
        >>> from ttfs_jax import spike_time
        >>> spikes = spike_time.exponential_threshold([0.5], [[1.0, -1.0]])
        >>> round(float(spikes[0]), 3), float(spikes[1])  # −ln e^(−0.5), and silence
        (0.5, inf)
    """
    times, weights, bias, threshold, tau_in, tau_out, window = promote(
        times=times,
        weights=weights,
        bias=bias,
        threshold=threshold,
        tau_in=tau_in,
        tau_out=tau_out,
        window=window,
        positive=("threshold", "tau_in", "tau_out", "window"),
    )
    check_layer(times, weights)
    threshold, bias = (
        per_neuron(name, value, weights.shape[1])
        for name, value in (("threshold", threshold), ("bias", bias))
    )
    drive = (exponential_value(times, tau=tau_in) @ weights + bias) / threshold
    return exponential_code(drive, tau=tau_out, window=window)


def exponential_code(
    values: jax.Array, *, tau: jax.Array | float = 1.0, window: jax.Array | float = 5.0
) -> jax.Array:
    """Turn values into the spike times of an exponentially falling threshold: t = −τ ln a.

    Shapes: values [...], `tau` τ and window T broadcastable to it -> [...]; units of time.
    No spike: a ≤ e^(−T/τ) gives `NO_SPIKE` with gradient 0; a ≥ 1 fires at 0 with gradient 0.
    Raises: InputError when τ or the window is not above 0; if traced, that gives NaN.
    Source: T2FSNN, Park et al. 2020, eqs. 2-6 (arXiv:2003.11741).

    Examples:
        >>> from ttfs_jax import spike_time
        >>> spikes = spike_time.exponential_code([0.5, 0.0])
        >>> round(float(spikes[0]), 3), float(spikes[1])  # ln 2, and silence
        (0.693, inf)
    """
    values, tau, window = promote(values=values, tau=tau, window=window, positive=("tau", "window"))
    return _first_decay(
        values, jnp.broadcast_to(tau, values.shape), jnp.broadcast_to(window, values.shape)
    )


def exponential_value(times: jax.Array, *, tau: jax.Array | float = 1.0) -> jax.Array:
    """Read the value a = e^(−t/τ) of spike times; the inverse of `exponential_code`.

    Shapes: times [...], `tau` τ broadcastable to it -> [...]. No spike: value 0 with gradient 0.
    Raises: InputError when τ is not above 0; if traced, that gives NaN.
    Source: T2FSNN, Park et al. 2020, eq. 4 (arXiv:2003.11741).

    Examples:
        >>> from ttfs_jax import NO_SPIKE, spike_time
        >>> spike_time.exponential_value([0.0, NO_SPIKE]).tolist()
        [1.0, 0.0]
    """
    times, tau = promote(times=times, tau=tau, positive=("tau",))
    spiking = is_spike(times)
    return jnp.where(spiking, jnp.exp(-jnp.where(spiking, times, 0.0) / tau), 0.0)


def convert_to_exponential(
    weights: jax.Array,
    bias: jax.Array,
    *,
    largest_in: jax.Array | float,
    largest_out: jax.Array | float,
) -> tuple[jax.Array, jax.Array]:
    """Rescale a trained ReLU layer so that its activations fill the exponential code's range.

    With λ the largest activation on training data before the layer, `largest_in`, and after it,
    `largest_out`, W ← W λ_in / λ_out and b ← b / λ_out; then spike times encode a / λ, down to
    e^(−T/τ).

    Shapes: weights [I, O], bias [O], λ [] -> the same. Give λ_out = 1 to a last layer whose
    potentials are read as logits.
    Raises: InputError when an activation is not above 0; if traced, that gives NaN.
    Source: data-based normalisation, Diehl et al. 2015 (doi:10.1109/IJCNN.2015.7280696), as used
    by T2FSNN, Park et al. 2020 (arXiv:2003.11741).

    Examples:
        >>> from ttfs_jax import spike_time
        >>> largest = {"largest_in": 1.0, "largest_out": 4.0}
        >>> weights, bias = spike_time.convert_to_exponential([[2.0]], [4.0], **largest)
        >>> weights.tolist(), bias.tolist()
        ([[0.5]], [1.0])
    """
    weights, bias, largest_in, largest_out = promote(
        weights=weights,
        bias=bias,
        largest_in=largest_in,
        largest_out=largest_out,
        positive=("largest_in", "largest_out"),
    )
    return weights * (largest_in / largest_out), bias / largest_out
