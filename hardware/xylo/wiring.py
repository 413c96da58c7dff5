"""The connections between groups of neurons, so that absent ones cost no products.

Letters: I input channels, N hidden neurons, O outputs, S synapses.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hardware.xylo.network import ChipNetwork

MOST_GROUPS = 4  # more, smaller products cost more than they save


class Wiring(NamedTuple):
    """Inputs, groups of hidden neurons that follow each other by id, and their connections.

    Sources are numbered: 0 the inputs, from 1 on the groups. Self-connections are not part of this.
    """

    sizes: tuple[int, ...]  # of the inputs and each group
    feeds: tuple[tuple[int, ...], ...]  # sources of each group, then those of the outputs


def full(channels: int, hidden: int) -> Wiring:
    """Describe a network of `channels` and `hidden` neurons where anything may be connected."""
    return Wiring((channels, hidden), ((0, 1), (1,)))


def wiring(network: ChipNetwork) -> Wiring:
    """Find layers in a network's weights; one group if it is not a stack of a few layers.

    A group takes neurons by id as long as none is connected to another one of the group. Reads
    the weights, so that they must not be traced.
    """
    channels, hidden, outputs, _ = network.sizes
    among = (np.asarray(network.weights_rec) != 0).any(2) & ~np.eye(hidden, dtype=bool)
    ends = [0]
    for number in range(1, hidden + 1):
        if among[ends[-1] : number, ends[-1] : number].any():
            ends.append(number - 1)
    ends.append(hidden)
    if len(ends) - 1 > MOST_GROUPS:
        return full(channels, hidden)
    connected = np.zeros((channels + hidden, hidden + outputs), bool)
    connected[:channels, :hidden] = (np.asarray(network.weights_in) != 0).any(2)
    connected[channels:, :hidden] = among
    connected[channels:, hidden:] = np.asarray(network.weights_out) != 0
    sizes = (channels, *np.diff(ends).tolist())
    rows, columns = _slices(sizes), _slices((*sizes[1:], outputs))
    return Wiring(
        sizes,
        tuple(tuple(n for n, of in enumerate(rows) if connected[of, to].any()) for to in columns),
    )


def _slices(sizes):
    return [slice(*pair) for pair in pairwise(np.cumsum([0, *sizes]).tolist())]


def products(weights: jax.Array, plan: Wiring) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Make `arriving(counts [I, …], spikes [N + O, …]) -> [S, N + O, …]`, Σ_j n_j w_j.

    Shapes: weights [S, N + O, I + N]; `plan` has the connections of groups.
    """
    channels, *groups = plan.sizes
    _, targets, origins = weights.shape
    itself = np.eye(targets, origins, channels, dtype=np.float32)
    own, others = (weights * itself[None]).sum(2), weights * (1 - itself)[None]
    rows, columns = _slices(plan.sizes), _slices((*groups, targets - sum(groups)))
    blocks = [
        [(source, others[:, to, rows[source]]) for source in sources]
        for to, sources in zip(columns, plan.feeds, strict=True)
    ]

    def arriving(counts, spikes):
        sources = [counts, *(spikes[group] for group in columns[:-1])]
        again = own.reshape(*own.shape, *[1] * (spikes.ndim - 1)) * spikes[None]
        parts = [
            sum((jnp.tensordot(block, sources[n], 1) for n, block in target), again[:, to])
            for to, target in zip(columns, blocks, strict=True)
        ]
        return jnp.concatenate(parts, 1)

    return arriving
