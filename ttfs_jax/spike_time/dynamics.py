"""Exact dynamics of integrate-and-fire neurons with an exponentially decaying synaptic current."""

from dataclasses import dataclass

import jax.numpy as jnp

from ttfs_jax.spike_time.causal_search import State

EULER_STEPS = 10  # cubic near the solution: 5 suffice in float64, 10 next to a touch


@dataclass(frozen=True)
class NonLeaky:
    """V' = I / τ, I' = −I / τ."""

    tau: float  # time constant τ of the synaptic current

    def decay(self, gap):
        """Return e^(−Δ/τ) and 1 − e^(−Δ/τ) of `gap` Δ."""
        return jnp.exp(-gap / self.tau), -jnp.expm1(-gap / self.tau)

    def advance(self, state, decay):
        """Move the `state` on over a gap by its factors, `decay`."""
        remainder, loss = decay
        return State(state.potential + state.current * loss, state.current * remainder)

    def peaks_over(self, start, end, threshold):
        """Return False: the potential is monotone from `start` to `end`, below any `threshold`."""
        del start, threshold
        return jnp.zeros_like(end.potential, bool)

    def wait(self, state, gap):
        """Return Δ = −τ ln(1 − (θ − V) / I) after `state`, at most `gap`."""
        share = (1.0 - state.potential) / state.current
        return jnp.minimum(-self.tau * jnp.log1p(-jnp.minimum(share, 1.0)), gap)

    def slope(self, state, wait):
        """Return I e^(−Δ/τ) / τ, `wait` Δ after `state`."""
        return state.current * jnp.exp(-wait / self.tau) / self.tau

    def unit(self, elapsed):
        """Return τ, whatever the time `elapsed`."""
        del elapsed
        return self.tau

    def kernel(self, age):
        """Return ε = 1 − e^(−s/τ) and ε' of `age` s."""
        remainder, loss = self.decay(age)
        return loss, remainder / self.tau


@dataclass(frozen=True)
class Leaky:
    """τ_mem V' = I − V, τ_syn I' = −I, with the crossing found by a root search.

    Differences of the two exponentials use expm1, and their logarithms log1p, of the difference of
    the time constants: no precision is lost, however close these are to each other.
    """

    tau_mem: float  # time constant of the membrane
    tau_syn: float  # time constant of the synaptic current, in the same unit

    @property
    def longest(self) -> float:
        """Return the longer time constant."""
        return max(self.tau_mem, self.tau_syn)

    @property
    def shortest(self) -> float:
        """Return the shorter time constant."""
        return min(self.tau_mem, self.tau_syn)

    def slow_fast(self, gap):
        """Return l = e^(−Δ/τ_longest), s = e^(−Δ/τ_shortest), and |τ_syn/(τ_mem − τ_syn)| (l − s).

        Δ is `gap`. The last is what a unit of current adds to the potential.
        """
        slow, fast = jnp.exp(-gap / self.longest), jnp.exp(-gap / self.shortest)
        difference = self.longest - self.shortest
        if difference == 0.0:
            return slow, fast, jnp.where(jnp.isinf(gap), 0.0, gap / self.tau_mem) * slow
        share = -jnp.expm1(-gap * (difference / self.shortest / self.longest))
        return slow, fast, self.tau_syn / difference * slow * share

    def decay(self, gap):
        """Return e^(−Δ/τ_mem), e^(−Δ/τ_syn), and what a unit of current adds in a `gap` Δ."""
        slow, fast, added = self.slow_fast(gap)
        return (slow, fast, added) if self.tau_mem >= self.tau_syn else (fast, slow, added)

    def advance(self, state, decay):
        """Move the `state` on over a gap by its factors, `decay`."""
        of_potential, of_current, added = decay
        return State(
            state.potential * of_potential + state.current * added, state.current * of_current
        )

    def rest(self, state):
        """Return the wait from `state`, with I > V, until the potential peaks, and the peak."""
        # With δ = 1 − τ_syn/τ_mem, V = I when e^(−s δ/τ_syn) = 1 − δ (1 − V₀/I₀).
        delta = (self.tau_mem - self.tau_syn) / self.tau_mem
        rise = 1.0 - state.potential / state.current
        if delta != 0.0:
            # A potential that is too low to peak gets an infinite wait.
            rise = -jnp.log1p(-jnp.minimum(delta * rise, 1.0)) / delta
        return self.tau_syn * rise, state.current * jnp.exp(-rise)  # at a peak V = I

    def peaks_over(self, start, end, threshold):
        """Compare the peak with `threshold`, if V rises at `start` and falls at `end`."""
        peaks = (start.current > jnp.maximum(start.potential, threshold)) & (
            end.current <= end.potential
        )
        safe = State(
            jnp.where(peaks, start.potential, 0.0), jnp.where(peaks, start.current, threshold)
        )
        _, peak = self.rest(safe)
        return peaks & (peak > threshold)

    def wait(self, state, gap):
        """Solve V(Δ) = θ by Euler's iteration, from `state` to the end of the `gap` or the peak.

        The potential is increasing and concave there. Each step goes to the root of the parabola
        with its value, slope and curvature, or halves the bracket if there is none; next to a
        touch, where Newton's method is slow, the parabola is still good.
        """
        top, _ = self.rest(state)
        low = jnp.zeros_like(state.potential)
        high = jnp.minimum(gap, jnp.maximum(top, 0.0))
        time = low
        for _ in range(EULER_STEPS):
            now = self.advance(state, self.decay(time))
            distance = 1.0 - now.potential
            # In units of τ_mem
            slope = now.current - now.potential
            bend = -(self.tau_mem / self.tau_syn * now.current + slope)
            low = jnp.where(distance > 0.0, time, low)
            high = jnp.where(distance > 0.0, high, time)
            root = jnp.sqrt(jnp.maximum(slope**2 + 2.0 * bend * distance, 0.0))
            total = slope + root
            step = 2.0 * distance / jnp.where(total > 0.0, total, 1.0)
            # Beyond the end: at the end, where a crossing up to rounding has its time.
            aimed = jnp.minimum(time + self.tau_mem * step, high)
            inside = (total > 0.0) & (aimed >= low)
            time = jnp.where(inside, aimed, 0.5 * (low + high))
        return time

    def slope(self, state, wait):
        """Return dV/dt = I ε'(Δ) − V e^(−Δ/τ_mem) / τ_mem, `wait` Δ after `state`."""
        of_potential, _, _ = self.decay(wait)
        _, rise = self.kernel(wait)
        return state.current * rise - state.potential * of_potential / self.tau_mem

    def unit(self, elapsed):
        """Return √(τ_mem τ_syn), whatever is `elapsed`: V'' = −θ / (τ_mem τ_syn) at a touch."""
        del elapsed
        return (self.tau_mem * self.tau_syn) ** 0.5

    def kernel(self, age):
        """Return ε = τ_syn / (τ_mem − τ_syn) (e^(−s/τ_mem) − e^(−s/τ_syn)), or its limit, and ε'.

        s is `age`; ε' = e^(−s/τ_shortest) / τ_mem − ε / τ_longest, which only cancels at the peak.
        """
        _, fast, added = self.slow_fast(age)
        return added, fast / self.tau_mem - added / self.longest


@dataclass(frozen=True)
class DoubleLeaky(Leaky):
    """τ_mem = 2 τ_syn, where the crossing is the root of a quadratic."""

    def slow_fast(self, gap):
        """Return y = e^(−Δ/τ_mem) of `gap` Δ, y² and y (1 − y)."""
        slow = jnp.exp(-gap / self.tau_mem)
        return slow, slow * slow, -slow * jnp.expm1(-gap / self.tau_mem)

    def peaks_over(self, start, end, threshold):
        """Compare the peak (V + I)² / 4 I with `threshold`; V rises at `start`, falls at `end`."""
        rises = start.current > jnp.maximum(start.potential, 0.0)
        peaks = rises & (end.current <= end.potential)
        total = start.potential + start.current
        high = total * (total / threshold) > 4.0 * start.current
        return peaks & high & (total > 0.0)

    def wait(self, state, gap):
        """Solve I y² − (I − V) y + θ − V = 0 for y = 1 − e^(−Δ/τ_mem), without cancellation.

        `state` is V and I at the start of the `gap`, θ = 1.
        """
        distance, rise = 1.0 - state.potential, state.current - state.potential
        root = jnp.sqrt(jnp.maximum(rise**2 - 4.0 * state.current * distance, 0.0))
        share = jnp.clip(2.0 * distance / (rise + root), 0.0, 1.0)
        return jnp.minimum(-self.tau_mem * jnp.log1p(-share), gap)
