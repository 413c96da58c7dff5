"""The constant-slope neuron (B1), whose spike time is exactly a ReLU in the time domain."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ttfs_jax.spike_time.arguments import check_layer, check_positive, per_neuron, promote
from ttfs_jax.spike_time.silence import NO_SPIKE, charge, is_spike


def _first_crossing(drive, window):
    time = jnp.maximum(window - drive, 0.0)
    return jnp.where(drive <= 0.0, NO_SPIKE, time)


@jax.custom_vjp
def _fire(drive, window):
    return _first_crossing(drive, window)


def _fire_fwd(drive, window):
    time = _first_crossing(drive, window)
    return time, time


def _fire_bwd(time, cotangent):
    # A spike at 0 is clipped: the potential was over the threshold before the window began.
    moves = is_spike(time) & (time > 0.0)
    window_bar = jnp.where(moves, cotangent, 0.0)
    return -window_bar, window_bar


_fire.defvjp(_fire_fwd, _fire_bwd)


def fire(drive: jax.Array, window: ArrayLike) -> jax.Array:
    """Return the time at which each potential crosses its threshold.

    At local time t the potential is V + t, where V is the charge received (Σ_j W_ij q_j), and
    the threshold is θ = T − D, so the crossing is at t = θ − V = T − a with the drive
    a = V + D. A drive above T would cross before the window begins and is clipped to t = 0.

    Shapes: drive [...], window broadcastable to it -> spike times [...]; time units.
    No spike: a ≤ 0 gives `NO_SPIKE` with gradient 0 (the ReLU convention at the grazing point
    a = 0); a clipped spike has gradient 0 too. ∂t/∂a = −1 elsewhere. NaN stays NaN.
    Raises: InputError when a window that is not traced is not above 0.
    Source: Stanojevic et al. 2024, Nature Communications 15:6793, eqs. 2-4 (arXiv:2306.08744).

    Examples:
        >>> import jax.numpy as jnp
        >>> fire(jnp.array([0.25, -1.0]), 1.0).tolist()  # the second one is silent
        [0.75, inf]
    """
    check_positive("window", window)
    drive, window = promote(drive=drive, window=window)
    return _fire(drive, jnp.broadcast_to(window, drive.shape))


def constant_slope(
    times: jax.Array,
    weights: jax.Array,
    *,
    bias: jax.Array | float,
    window_in: jax.Array | float,
    window_out: jax.Array | float,
) -> jax.Array:
    """Solve one layer of constant-slope neurons for its spike times.

    t_i = T_out − a_i  with  a_i = Σ_j W_ji (T_in − t_j) + D_i,  0 < a_i;  θ_i = T_out − D_i.

    Shapes: times [I], weights [I, O], bias D [] or [O], `window_in` T_in and `window_out` T_out []
    -> [O], local to the next window; time units.
    No spike: a silent input adds nothing; neurons with a_i ≤ 0 return `NO_SPIKE`; a_i > T_out
    is clipped to 0. See `fire` for the gradients in both cases.
    Raises: InputError when the shapes do not fit together or a window is not above 0; one that
    is traced and not above 0 gives NaN.
    Source: Stanojevic et al. 2024, Nature Communications 15:6793, eqs. 2-4 (arXiv:2306.08744).

    Examples:
        >>> from ttfs_jax import NO_SPIKE, spike_time
        >>> times, weights = [0.5, NO_SPIKE], [[1.0, -1.0], [2.0, 2.0]]
        >>> windows = {"window_in": 1.0, "window_out": 1.0}
        >>> spikes = spike_time.constant_slope(times, weights, bias=0.0, **windows)
        >>> spikes.tolist()  # 1 − relu(0.5), and silence for relu(−0.5)
        [0.5, inf]
    """
    times, weights, bias, window_in, window_out = promote(
        times=times,
        weights=weights,
        bias=bias,
        window_in=window_in,
        window_out=window_out,
        positive=("window_in", "window_out"),
    )
    check_layer(times, weights)
    bias = per_neuron("bias", bias, weights.shape[1])
    return fire(charge(times, window_in) @ weights + bias, window_out)
