"""Measure a network of any mapping, as laid out for the chip, in the integer core."""

from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from hardware.xylo.decision import Decision, classify
from hardware.xylo.network import ChipNetwork
from search.strategies.xylo.population import ChipScores, Inputs, XyloNetwork, war_and_uar

BLOCK = 64  # networks are padded to a multiple of this number of neurons, for few compilations


class OnChip(NamedTuple):
    """The outcome of a network on samples."""

    events: np.ndarray  # [B, T, 16] its inputs
    decision: Decision  # [B] the classes, and when
    measured: ChipScores  # recalls and activity


def filled(network: ChipNetwork) -> ChipNetwork:
    """Add unconnected neurons to a `network`, up to a multiple of 64.

    The others are unchanged.
    """
    hidden = network.sizes[1]
    more = -hidden % BLOCK

    def grow(values, axes, fill):
        width = [(0, more if axis in axes else 0) for axis in range(np.ndim(values))]
        return np.pad(np.asarray(values), width, constant_values=fill)

    return replace(
        network,
        weights_in=grow(network.weights_in, (1,), 0),
        weights_rec=grow(network.weights_rec, (0, 1), 0),
        weights_out=grow(network.weights_out, (0,), 0),
        dash_syn=grow(network.dash_syn, (0,), 1),
        dash_mem=grow(network.dash_mem, (0,), 1),
        threshold=grow(network.threshold, (0,), 1),
        bias=grow(network.bias, (0,), 0),
    )


def measure_on_chip(network: XyloNetwork, inputs: Inputs, *, classes: int) -> OnChip:
    """Run samples through the integer core and score the first output spikes.

    `inputs` are those of a part of the data, for the `network`'s grid; `classes` is the number of
    classes.
    """
    events = network.events(inputs.values[network.candidate.number])
    grown = filled(network.chip)
    classified = classify(grown, events)
    predictions = classified.decision.classes
    war, uar = war_and_uar(jnp.asarray(predictions), jnp.asarray(inputs.labels), classes=classes)
    measured = ChipScores(
        war=war,
        uar=uar,
        decided=(predictions >= 0).mean(),
        step=classified.decision.steps.mean(),
        spikes=classified.spikes,
        active_inputs=(events > 0).mean(),
        active_hidden=classified.active_hidden * grown.sizes[1] / network.chip.sizes[1],
    )
    return OnChip(events, classified.decision, measured)
