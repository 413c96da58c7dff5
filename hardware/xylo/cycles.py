"""Clock cycles of one step of the chip, by the vendor's model."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from hardware.xylo.core import Trace
from hardware.xylo.network import ChipNetwork
from ttfs_jax.support import Array


class ChipActivity(NamedTuple):
    """Mean share of channels or neurons that spike at least once in a step."""

    inputs: Array  # []
    hidden: Array  # []


# Every channel and neuron spikes in every step.
WORST = ChipActivity(np.ones(()), np.ones(()))  # of NumPy, as an import must not start JAX


def measure_activity(events: Array, trace: Trace) -> ChipActivity:
    """Measure activity: events [..., T, I], spikes of `trace` [..., T, N], of any samples."""
    return ChipActivity((jnp.asarray(events) > 0).mean(), (jnp.asarray(trace.spikes) > 0).mean())


def cycles_per_step(
    network: ChipNetwork, active: ChipActivity = WORST, *, full_matrices: bool = False
) -> Array:
    """Count the mean clock cycles of one step of `network`: [].

    C = I (3.5 p_in N_ien + 1) + N (7 p_h F + 3) + N_oen p_h (1 + 8 O) + N (19 + 3 p_h) + 12 O, with
    p the shares of `active`, N_ien hidden neurons that inputs reach, N_oen those that reach outputs
    and F the mean fan-out among hidden neurons. A second synapse costs no cycles; several spikes in
    a step cost as much as one. With aliases, where a share s of neurons is a source and t a target
    (sources may share one), 19 + 3 p_h becomes 19 + 2 max(p_h, s t) + 3 max(p_h t, s t) + p_h +
    max(p_h, t) s. `full_matrices`: N_ien = N_oen = N, as on Audio 2.

    Source: Rockpool 3.1.0, power_cycles_model.py of syns63300 (IMU, Audio 3) and syns61201 (Audio
    2), https://github.com/synsense/rockpool.
    """
    channels, hidden, outputs, _ = network.sizes
    reached = (jnp.asarray(network.weights_in) != 0).any((0, 2)).sum()
    reaching = (jnp.asarray(network.weights_out) != 0).any(1).sum()
    if full_matrices:
        reached = reaching = hidden
    fan_out = (jnp.asarray(network.weights_rec) != 0).any(2).sum() / hidden
    sources = targets = jnp.zeros(())
    if network.alias is not None:
        sources = targets = (jnp.asarray(network.alias) >= 0).mean()
    share = active.hidden
    update = (
        19
        + 2 * jnp.maximum(share, sources * targets)
        + 3 * jnp.maximum(share * targets, sources * targets)
        + share
        + jnp.maximum(share, targets) * sources
    )
    return (
        channels * (3.5 * active.inputs * reached + 1)
        + hidden * (7 * share * fan_out + 3)
        + reaching * share * (1 + 8 * outputs)
        + hidden * update
        + 12 * outputs
    )
