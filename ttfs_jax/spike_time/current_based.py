"""Integrate-and-fire neurons with an exponentially decaying synaptic current."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from ttfs_jax.spike_time.causal_search import State, solve

EULER_STEPS = 10  # cubic near the solution: 5 suffice in float64, 10 next to a touch


@dataclass(frozen=True)
class NonLeaky:
    """V' = I / τ, I' = −I / τ."""

    tau: float

    def decay(self, gap):
        """Return e^(−Δ/τ)."""
        return (jnp.exp(-gap / self.tau),)

    def advance(self, state, decay):
        """Move the state on."""
        (left,) = decay
        return State(state.potential + state.current * (1.0 - left), state.current * left)

    def reaches(self, start, end, threshold):
        """Compare the ends: the potential is monotone in a gap."""
        del start
        return end.potential >= threshold

    def wait(self, state, gap, threshold):
        """Δ = −τ ln(1 − (θ − V) / I)."""
        share = (threshold - state.potential) / state.current
        return jnp.minimum(-self.tau * jnp.log1p(-jnp.minimum(share, 1.0)), gap)

    def slope(self, state):
        """Return I / τ."""
        return state.current / self.tau

    def kernel(self, age):
        """ε = 1 − e^(−s/τ)."""
        left = jnp.exp(-age / self.tau)
        return 1.0 - left, left / self.tau


@dataclass(frozen=True)
class Leaky:
    """τ_mem V' = I − V, τ_syn I' = −I, with the crossing found by a root search."""

    tau_mem: float
    tau_syn: float

    def __post_init__(self):
        """Check the time constants."""
        if not (self.tau_mem > 0 and self.tau_syn > 0):
            raise ValueError(
                f"time constants must be above 0: tau_mem {self.tau_mem}, tau_syn {self.tau_syn}"
            )

    def decay(self, gap):
        """Return e^(−Δ/τ_mem), e^(−Δ/τ_syn), and what a unit of current adds to the potential."""
        slow, fast = jnp.exp(-gap / self.tau_mem), jnp.exp(-gap / self.tau_syn)
        if self.tau_mem == self.tau_syn:
            ages = jnp.where(jnp.isinf(gap), 0.0, gap / self.tau_mem)
            return slow, fast, ages * slow
        return slow, fast, self.tau_syn / (self.tau_mem - self.tau_syn) * (slow - fast)

    def advance(self, state, decay):
        """Move the state on."""
        slow, fast, added = decay
        return State(state.potential * slow + state.current * added, state.current * fast)

    def rest(self, state):
        """Return the wait until the potential peaks, and the peak; I > V at the start."""
        ratio = state.potential / state.current
        if self.tau_mem == self.tau_syn:
            wait = self.tau_mem * (1.0 - ratio)
            return wait, state.current * jnp.exp(ratio - 1.0)
        # With κ = τ_syn / (τ_mem − τ_syn): V = (V₀ + κ I₀) e^(−s/τ_mem) − κ I₀ e^(−s/τ_syn).
        kappa = self.tau_syn / (self.tau_mem - self.tau_syn)
        growth = self.tau_syn / self.tau_mem * (1.0 + ratio / kappa)
        wait = -self.tau_mem * kappa * jnp.log(growth)
        return wait, state.current * jnp.exp(-wait / self.tau_syn)  # at a peak V = I

    def reaches(self, start, end, threshold):
        """Compare the end, or the peak if the potential rises first and falls then."""
        peaks = (start.current > jnp.maximum(start.potential, threshold)) & (
            end.current <= end.potential
        )
        safe = State(
            jnp.where(peaks, start.potential, 0.0), jnp.where(peaks, start.current, threshold)
        )
        _, peak = self.rest(safe)
        return (end.potential >= threshold) | (peaks & (peak > threshold))

    def wait(self, state, gap, threshold):
        """Solve V(Δ) = θ between the start and the end or the peak, by Euler's iteration.

        The potential is increasing and concave there. Each step goes to the root of the parabola
        with its value, slope and curvature, or halves the bracket if that is outside; next to a
        touch, where Newton's method is slow, the parabola is still good.
        """
        top, _ = self.rest(state)
        low = jnp.zeros_like(threshold)
        high = jnp.minimum(gap, jnp.maximum(top, 0.0))
        time = low
        for _ in range(EULER_STEPS):
            now = self.advance(state, self.decay(time))
            missing = threshold - now.potential
            slope = self.slope(now)
            bend = -(now.current / self.tau_syn + slope) / self.tau_mem
            low = jnp.where(missing > 0.0, time, low)
            high = jnp.where(missing > 0.0, high, time)
            root = jnp.sqrt(jnp.maximum(slope**2 + 2.0 * bend * missing, 0.0))
            total = slope + root
            step = 2.0 * missing / jnp.where(total > 0.0, total, 1.0)
            aimed = time + step
            inside = (total > 0.0) & (aimed >= low) & (aimed <= high)
            time = jnp.where(inside, aimed, 0.5 * (low + high))
        return time

    def slope(self, state):
        """Return (I − V) / τ_mem."""
        return (state.current - state.potential) / self.tau_mem

    def kernel(self, age):
        """ε = τ_syn / (τ_mem − τ_syn) (e^(−s/τ_mem) − e^(−s/τ_syn)), or its limit."""
        _, fast, added = self.decay(age)
        return added, (fast - added) / self.tau_mem


@dataclass(frozen=True)
class DoubleLeaky(Leaky):
    """τ_mem = 2 τ_syn, where the crossing is the root of a quadratic."""

    def reaches(self, start, end, threshold):
        """Compare the end, or the peak (V + I)² / 4 I if the potential rises first."""
        rises = start.current > jnp.maximum(start.potential, 0.0)
        peaks = rises & (end.current <= end.potential)
        total = start.potential + start.current
        high = total * total > 4.0 * start.current * threshold
        return (end.potential >= threshold) | (peaks & high & (total > 0.0))

    def wait(self, state, gap, threshold):
        """Solve I y² − (I − V) y + θ − V = 0 for y = 1 − e^(−Δ/τ_mem), without cancellation."""
        missing, rise = threshold - state.potential, state.current - state.potential
        root = jnp.sqrt(jnp.maximum(rise**2 - 4.0 * state.current * missing, 0.0))
        share = jnp.clip(2.0 * missing / (rise + root), 0.0, 1.0)
        return jnp.minimum(-self.tau_mem * jnp.log1p(-share), gap)


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
    [I, O] (synaptic), added to the times -> [O]; time units of τ. `min_slope` bounds the
    gradient: a slope dV/dt below `min_slope` · θ counts as that much.
    No spike: a silent input adds nothing; a potential that never reaches θ gives `NO_SPIKE` with
    gradient 0. An input at the very time of a spike takes no part in it. NaN stays NaN.
    Raises: ValueError when the shapes do not fit together.
    Source: Mostafa 2017, eqs. 4-7 (arXiv:1606.08165).
    """
    return solve(
        NonLeaky(float(tau)),
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
    [I, O] (synaptic), added to the times -> [O]; time units of τ. `min_slope` bounds the
    gradient: a slope dV/dt below `min_slope` · θ counts as that much.
    No spike: a silent input adds nothing; a potential that never gets above θ gives `NO_SPIKE`
    with gradient 0, as does one that only touches it (grazing). NaN stays NaN.
    Raises: ValueError when the shapes do not fit together or a time constant is not above 0.
    Source: Göltz et al. 2021, eqs. 1-3 (arXiv:1912.11443).
    """
    return solve(
        Leaky(float(tau_mem), float(tau_syn)),
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

    Shapes, no spike, `min_slope`, errors: as for `lif`.
    Source: Göltz et al. 2021, eq. 6 (arXiv:1912.11443).
    """
    return lif(
        times,
        weights,
        threshold=threshold,
        tau_mem=tau,
        tau_syn=tau,
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

    Shapes, no spike, `min_slope`, errors: as for `lif`.
    Source: Göltz et al. 2021, eq. 7 (arXiv:1912.11443).
    """
    return solve(
        DoubleLeaky(2.0 * tau_syn, float(tau_syn)),
        times,
        weights,
        threshold=threshold,
        delays=delays,
        min_slope=min_slope,
    )
