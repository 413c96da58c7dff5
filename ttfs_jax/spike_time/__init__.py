"""Spike-time solvers: pure, unbatched functions with exact gradients."""

from ttfs_jax.spike_time.b1 import constant_slope, fire
from ttfs_jax.spike_time.current_based import lif, lif_double, lif_equal, non_leaky
from ttfs_jax.spike_time.event_prop import lif_event_prop
from ttfs_jax.spike_time.falling_threshold import (
    convert_to_exponential,
    exponential_code,
    exponential_threshold,
    exponential_value,
    linear_threshold,
    linear_threshold_proxy,
)
from ttfs_jax.spike_time.linear_psp import linear_psp
from ttfs_jax.spike_time.silence import NO_SPIKE, charge, is_spike

__all__ = [
    "NO_SPIKE",
    "charge",
    "constant_slope",
    "convert_to_exponential",
    "exponential_code",
    "exponential_threshold",
    "exponential_value",
    "fire",
    "is_spike",
    "lif",
    "lif_double",
    "lif_equal",
    "lif_event_prop",
    "linear_psp",
    "linear_threshold",
    "linear_threshold_proxy",
    "non_leaky",
]
