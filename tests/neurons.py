"""The neuron models once more, in NumPy and as differential equations: what solvers must match."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ttfs_jax import spike_time


class Searched(NamedTuple):
    """A model with a causal set: its solver, kernel, kernel slope, and equation of motion."""

    solve: Callable
    kernel: Callable  # s -> potential s after an input of weight 1
    slope: Callable
    motion: Callable  # (potential, current) -> (their time derivatives)


def two_exponentials(tau_mem, tau_syn):
    scale = tau_syn / (tau_mem - tau_syn)
    return Searched(
        partial(spike_time.lif, tau_mem=tau_mem, tau_syn=tau_syn),
        lambda s: scale * (np.exp(-s / tau_mem) - np.exp(-s / tau_syn)),
        lambda s: scale * (np.exp(-s / tau_syn) / tau_syn - np.exp(-s / tau_mem) / tau_mem),
        lambda v, i: ((i - v) / tau_mem, -i / tau_syn),
    )


SEARCHED = {
    "non_leaky": Searched(
        spike_time.non_leaky, lambda s: 1 - np.exp(-s), lambda s: np.exp(-s), lambda v, i: (i, -i)
    ),
    "lif_equal": Searched(
        spike_time.lif_equal,
        lambda s: s * np.exp(-s),
        lambda s: (1 - s) * np.exp(-s),
        lambda v, i: (i - v, -i),
    ),
    "lif_double": two_exponentials(2.0, 1.0)._replace(solve=spike_time.lif_double),
    "lif": two_exponentials(3.0, 0.7),
    "lif_fast": two_exponentials(0.8, 2.0),
    "lif_event_prop": two_exponentials(3.0, 0.7)._replace(
        solve=partial(spike_time.lif_event_prop, tau_mem=3.0, tau_syn=0.7)
    ),
    "linear_psp": Searched(
        spike_time.linear_psp, lambda s: s, lambda s: np.ones_like(s), lambda v, i: (i, 0 * i)
    ),
}


def solver(name):
    """Return a model's solver as a function of input times, weights and threshold."""
    return lambda t, w, limit: SEARCHED[name].solve(t, w, threshold=limit)


def layer(inputs, outputs, seed, silent=0.1):
    """Draw input times within 0 … 2, some silent, and weights of both signs."""
    draw = np.random.default_rng(seed)
    times = draw.uniform(0.0, 2.0, inputs)
    times[draw.uniform(size=inputs) < silent] = spike_time.NO_SPIKE
    weights = draw.normal(2.0 / inputs**0.5, 4.0 / inputs**0.5, (inputs, outputs))
    return times, weights, draw.uniform(0.5, 1.5, outputs)


def spikes_only(times):
    """Put 0 for no spike."""
    return jnp.where(spike_time.is_spike(times), times, 0.0)
