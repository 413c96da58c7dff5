"""Integrate-and-fire neurons with an exponentially decaying synaptic current."""

import jax

from ttfs_jax.spike_time.arguments import time_constant
from ttfs_jax.spike_time.causal_search import solve
from ttfs_jax.spike_time.dynamics import DoubleLeaky, Leaky, NonLeaky


def non_leaky(
    times: jax.Array,
    weights: jax.Array,
    *,
    threshold: jax.Array | float = 1.0,
    tau: float = 1.0,
    delays: jax.Array | None = None,
    min_slope: float = 0.0,
) -> jax.Array:
    """Solve one layer of non-leaky integrate-and-fire neurons for its first spikes.

    V(t) = Σ_j w_j (1 − e^(−(t − t_j)/τ)) = θ, so with the causal inputs C
    t = τ ln( Σ_C w_j e^(t_j/τ) / (Σ_C w_j − θ) ).

    Shapes: times [I], weights [I, O], threshold [] or [O] (above 0), delays [I] (axonal) or
    [I, O] (synaptic), added to the times -> [O]; time units of `tau` τ. `min_slope` bounds
    the gradient: a slope dV/dt below `min_slope` · θ per unit of time counts as that much.
    No spike: a silent input adds nothing; a potential that never reaches θ gives `NO_SPIKE` with
    gradient 0. An input at exactly the time of a spike does not contribute to it. NaN stays NaN.
    Raises: InputError when the shapes do not fit together, a threshold or time constant is not
    above 0, or a time constant is traced; a threshold that is traced and not above 0 gives NaN.
    Source: Mostafa 2017, eqs. 4-7 (arXiv:1606.08165).

    Examples:
        >>> from ttfs_jax import spike_time
        >>> spikes = spike_time.non_leaky([0.0], [[2.0, 0.5]])
        >>> round(float(spikes[0]), 3), float(spikes[1])  # τ ln 2, and a weight below the threshold
        (0.693, inf)
    """
    return solve(
        NonLeaky(time_constant("tau", tau)),
        times,
        weights,
        threshold=threshold,
        delays=delays,
        min_slope=min_slope,
    )


def lif(
    times: jax.Array,
    weights: jax.Array,
    *,
    threshold: jax.Array | float = 1.0,
    tau_mem: float,
    tau_syn: float,
    delays: jax.Array | None = None,
    min_slope: float = 0.0,
) -> jax.Array:
    """Solve one layer of current-based leaky integrate-and-fire neurons for its first spikes.

    τ_mem V' = I − V and τ_syn I' = −I, so V(t) = Σ_j w_j ε(t − t_j) = θ with
    ε(s) = τ_syn / (τ_mem − τ_syn) (e^(−s/τ_mem) − e^(−s/τ_syn)), for any two time constants.
    In every gap between inputs the potential has one peak at most, which is known in closed form;
    the *first* crossing is bracketed by it and found by a safeguarded iteration.

    Shapes: times [I], weights [I, O], threshold [] or [O] (above 0), delays [I] (axonal) or
    [I, O] (synaptic), added to the times -> [O]; times and the
    time constants `tau_mem` and `tau_syn` in one unit. `min_slope` bounds the gradient: a slope
    dV/dt below `min_slope` · θ per unit of time counts as that much.
    No spike: a silent input adds nothing; a potential that never gets above θ gives `NO_SPIKE`
    with gradient 0, as does one that only touches it (grazing). NaN stays NaN.
    Raises: InputError when the shapes do not fit together, a threshold or time constant is not
    above 0, or a time constant is traced; a threshold that is traced and not above 0 gives NaN.
    Source: Göltz et al. 2021, eqs. 1-3 (arXiv:1912.11443).

    Examples:
        >>> from ttfs_jax import spike_time
        >>> spikes = spike_time.lif([0.0, 0.1], [[3.0], [3.0]], tau_mem=2.0, tau_syn=1.0)
        >>> same = spike_time.lif_double([0.0, 0.1], [[3.0], [3.0]], tau_syn=1.0)
        >>> bool(abs(spikes - same).max() < 1e-5)
        True
    """
    return solve(
        Leaky(time_constant("tau_mem", tau_mem), time_constant("tau_syn", tau_syn)),
        times,
        weights,
        threshold=threshold,
        delays=delays,
        min_slope=min_slope,
    )


def lif_equal(
    times: jax.Array,
    weights: jax.Array,
    *,
    threshold: jax.Array | float = 1.0,
    tau: float = 1.0,
    delays: jax.Array | None = None,
    min_slope: float = 0.0,
) -> jax.Array:
    """Solve one layer of leaky neurons with τ_mem = τ_syn = τ for its first spikes.

    ε(s) = (s/τ) e^(−s/τ); with a = Σ_C w_j e^(t_j/τ) and b = Σ_C w_j (t_j/τ) e^(t_j/τ) the spike
    is at t = τ [ b/a − W₀(−(θ/a) e^(b/a)) ]. The Lambert function is evaluated around the last
    causal input, where nothing overflows.

    Shapes: times [I], weights [I, O], threshold [] or [O] (above 0), delays [I] or [I, O] -> [O];
    times and `tau` in one unit. `min_slope`, no spike, errors: as for `lif`.
    Source: Göltz et al. 2021, eq. 6 (arXiv:1912.11443).

    Examples:
        >>> from ttfs_jax import spike_time
        >>> spikes = spike_time.lif_equal([0.0], [[4.0, 2.0]])  # the peak is w / e
        >>> bool(0 < spikes[0] < 1), float(spikes[1])
        (True, inf)
    """
    tau = time_constant("tau", tau)
    return solve(
        Leaky(tau, tau),
        times,
        weights,
        threshold=threshold,
        delays=delays,
        min_slope=min_slope,
    )


def lif_double(
    times: jax.Array,
    weights: jax.Array,
    *,
    threshold: jax.Array | float = 1.0,
    tau_syn: float = 1.0,
    delays: jax.Array | None = None,
    min_slope: float = 0.0,
) -> jax.Array:
    """Solve one layer of leaky neurons with τ_mem = 2 τ_syn for its first spikes.

    ε(s) = e^(−s/τ_mem) − e^(−s/τ_syn); with a = Σ_C w_j e^(t_j/τ_syn) and
    b = Σ_C w_j e^(t_j/τ_mem) the spike is at t = 2 τ_syn ln( 2a / (b + √(b² − 4 a θ)) ).

    Shapes: times [I], weights [I, O], threshold [] or [O] (above 0), delays [I] or [I, O] -> [O];
    times and `tau_syn` in one unit. `min_slope`, no spike, errors: as for `lif`.
    Source: Göltz et al. 2021, eq. 7 (arXiv:1912.11443).

    Examples:
        >>> from ttfs_jax import spike_time
        >>> early, late = spike_time.lif_double([0.0], [[8.0, 5.0]]).tolist()
        >>> early < late
        True
    """
    tau_syn = time_constant("tau_syn", tau_syn)
    return solve(
        DoubleLeaky(2.0 * tau_syn, tau_syn),
        times,
        weights,
        threshold=threshold,
        delays=delays,
        min_slope=min_slope,
    )
