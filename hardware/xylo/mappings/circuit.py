"""A circuit of the exact mapping, built piece by piece: neurons, one-shot timers, pulses.

A pulse starts a current at a given step, once. It has a timer, which spikes once in the step
before, a relay, which spikes 31 times at once, and the relay's own timer, one step earlier.

Letters: I inputs, J and N neurons of two layers that follow each other, L layers, P
pulses, S synapses.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hardware.xylo.mappings.exact_neurons import coarse_and_fine, split
from hardware.xylo.network import ChipNetwork

SELF_WEIGHT = -128  # of one-shot neurons, the strongest possible


class Ids(NamedTuple):
    """The role of each neuron of the chip."""

    twins: tuple[np.ndarray, ...]  # L ids of each layer's neurons; the last are those of the logits
    complements: tuple[np.ndarray, ...]  # L − 1 ids
    timers: np.ndarray  # [P, 3] ids of each pulse's timer, relay and the relay's own timer
    count: int  # of all neurons


def number_neurons(sizes: Sequence[int], pulses: int) -> Ids:
    """Number the neurons of L layers of `sizes`, and of `pulses`: inputs' first, logits' last."""
    ends = np.cumsum([*np.repeat(sizes[:-1], 2), 3 * pulses, sizes[-1]])
    *hidden, timers, logits = np.split(np.arange(ends[-1]), ends[:-1])
    return Ids((*hidden[::2], logits), tuple(hidden[1::2]), timers.reshape(pulses, 3), ends[-1])


class Circuit:
    """Parameters of a chip network that is being built; neurons that are not set do nothing.

    `ids` are the roles of the neurons; there are `inputs` channels, and `synapses` per neuron.
    """

    def __init__(self, ids: Ids, *, inputs: int, synapses: int):
        """Start with neurons that do not leak and no connections."""
        self.ids, self.synapses = ids, synapses
        count, outputs = ids.count, len(ids.twins[-1])
        self.weights_in = np.zeros((inputs, count, synapses), np.int64)
        self.weights_rec = np.zeros((count, count, synapses), np.int64)
        self.weights_out = np.zeros((count, outputs), np.int64)
        self.dash_syn = np.full((count, synapses), 15)
        self.dash_mem = np.full(count, 15)
        self.threshold = np.ones(count, np.int64)
        self.bias = np.zeros(count, np.int64)

    def set_timers(self, acting: np.ndarray) -> None:
        """Let the pulses act at the steps `acting` [P]: timers, and relays that follow theirs.

        A timer's potential is t + 2 at step t: bias 2 less a leak of 1. The relay's current halves
        before use, 124 → 62, and its potential has no memory: 62 // 2 spikes once.
        """
        timer, relay, starter = self.ids.timers.T
        for ticking, step in ((timer, acting - 1), (starter, acting - 2)):
            self.bias[ticking] = 2
            self.threshold[ticking] = step + 2
        self.threshold[relay] = 2
        self.dash_syn[relay], self.dash_mem[relay] = 1, 0
        self.weights_rec[starter, relay, 0] = 124
        self._spike_once(np.concatenate([timer, relay, starter]))

    def connect_inputs(self, weights: np.ndarray) -> None:
        """Connect the inputs to the first layer: weights [I, N]."""
        self.weights_in[:, self.ids.twins[0]] = split(weights, self.synapses)

    def connect_layer(self, number: int, weights: np.ndarray) -> None:
        """Connect the twins before, and their complements, to layer `number`: weights [J, N]."""
        twins, complements, _, _ = self.ids
        for sources in (twins[number - 1], complements[number - 1]):
            self.weights_rec[np.ix_(sources, twins[number])] = split(weights, self.synapses)

    def set_twins(self, number: int, threshold: np.ndarray) -> None:
        """Set the `threshold` [N] of layer `number`.

        A bias of 1 cancels the leak of a positive potential.
        """
        twins = self.ids.twins[number]
        self.threshold[twins], self.bias[twins] = threshold, 1

    def pulse(self, number: int, targets: np.ndarray, current: np.ndarray) -> None:
        """Let the pulse `number` start a current [N, S] in the targets, ids [N]."""
        timer, relay, _ = self.ids.timers[number]
        coarse, fine = coarse_and_fine(current)
        self.weights_rec[relay, targets], self.weights_rec[timer, targets] = coarse, fine

    def set_complements(self, number: int, pulse: int) -> None:
        """Let complements of layer `number` spike at a pulse, each unless its twin has spiked."""
        twins, complements = self.ids.twins[number], self.ids.complements[number]
        self.weights_rec[self.ids.timers[pulse, 1], complements, 0] = 2
        self.weights_rec[twins, complements, -1] = SELF_WEIGHT
        self.threshold[complements] = 40
        self._spike_once(complements)

    def _spike_once(self, neurons):
        self.weights_rec[neurons, neurons, -1] = SELF_WEIGHT

    def to_network(self) -> ChipNetwork:
        """Connect each logit's neuron to its output and hand the network over, unchecked.

        An output follows its neuron once: the current 127 becomes 64, 32, 16 …
        """
        logits = self.ids.twins[-1]
        self.weights_out[logits, np.arange(len(logits))] = 127
        ones = np.ones(len(logits), np.int64)
        return ChipNetwork(
            weights_in=self.weights_in,
            weights_rec=self.weights_rec,
            weights_out=self.weights_out,
            dash_syn=self.dash_syn,
            dash_mem=self.dash_mem,
            threshold=self.threshold,
            bias=self.bias,
            dash_syn_out=ones,
            dash_mem_out=0 * ones,
            threshold_out=64 * ones,
            bias_out=0 * ones,
            shift_in=np.zeros((), np.int32),
            shift_rec=np.zeros((), np.int32),
            shift_out=np.zeros((), np.int32),
        )
