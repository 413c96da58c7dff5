"""Spike-time solvers: pure, unbatched functions with exact gradients."""

from ttfs_jax.spike_time.constant_slope import fire, spike_time
from ttfs_jax.spike_time.silence import NO_SPIKE, charge, is_spike

__all__ = ["NO_SPIKE", "charge", "fire", "is_spike", "spike_time"]
