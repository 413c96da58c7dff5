"""The vendor's simulator as a referee, from the extra `[xylo]`; imported on use."""

from typing import Any

import numpy as np

from hardware.xylo.core import Trace, check_events
from hardware.xylo.decision import Decision, first_output_spike
from hardware.xylo.network import ChipNetwork, check_network
from ttfs_jax.support.errors import InputError


def simulator() -> Any:
    """Import the vendor's simulator. Raises: InputError without it."""
    try:
        from xylosim import v2
    except ImportError as error:
        raise InputError(
            "the cross-check needs XyloSim: pip install 'ttfs-jax[xylo]' (a C++ compiler is needed)"
        ) from error
    return v2


class Referee:
    """XyloSim with one network. Reset for every sample, since each instance leaks memory."""

    def __init__(self, network: ChipNetwork):
        v2 = simulator()
        net = check_network(network)
        channels, hidden, _, count = net.sizes
        self._two = count == 2

        def synapses(weights):
            """List the synapses of every source: [J, N, S] -> J lists."""
            return [
                [
                    v2.XyloSynapse(int(to), int(port), int(matrix[to, port]))
                    for port in range(matrix.shape[1])
                    for to in np.flatnonzero(matrix[:, port])
                ]
                for matrix in np.asarray(weights)
            ]

        # The layer keeps raw pointers to these lists, so they must live as long as it does.
        self._synapses = [
            synapses(net.weights_in),
            synapses(net.weights_rec),
            synapses(np.asarray(net.weights_out)[..., None]),
        ]
        self._channels = channels
        second = np.asarray(net.dash_syn)[:, 1] if self._two else np.zeros(hidden, int)
        biases = np.concatenate([net.bias, net.bias_out])
        self._layer = v2.XyloLayer(
            synapses_in=self._synapses[0],
            synapses_rec=self._synapses[1],
            synapses_out=self._synapses[2],
            aliases=net.alias_lists,
            threshold=np.asarray(net.threshold).tolist(),
            threshold_out=np.asarray(net.threshold_out).tolist(),
            has_bias=bool(biases.any()),
            bias=np.asarray(net.bias).tolist(),
            bias_out=np.asarray(net.bias_out).tolist(),
            weight_shift_inp=int(net.shift_in),
            weight_shift_rec=int(net.shift_rec),
            weight_shift_out=int(net.shift_out),
            dash_mem=np.asarray(net.dash_mem).tolist(),
            dash_mem_out=np.asarray(net.dash_mem_out).tolist(),
            dash_syns=np.stack([np.asarray(net.dash_syn)[:, 0], second], 1).tolist(),
            dash_syns_out=np.asarray(net.dash_syn_out)[:, None].tolist(),
            name="referee",
        )

    def evolve(self, events: list[list[int]]) -> list[list[int]]:
        """Run one sample from rest and return output spikes: `events` [T, I] -> [T, O], lists."""
        self._layer.reset_all()
        return self._layer.evolve(events)

    def decide(self, events: np.ndarray) -> Decision:
        """Classify samples from rest by their first output spikes: events [B, T, I]."""
        events = check_events(events, self._channels)
        return first_output_spike(
            np.array([self.evolve(one) for one in events.astype(int).tolist()])
        )

    def __call__(self, events: np.ndarray) -> Trace:
        """Run one sample from rest: events [T, I] -> `Trace` (never suspect).

        Raises: InputError for events that the chip cannot take.
        """
        events = check_events(np.asarray(events)[None], self._channels)[0]
        fired = np.asarray(self.evolve(events.astype(int).tolist()))
        layer = self._layer
        currents = [layer.rec_i_syn, layer.rec_i_syn2][: 1 + self._two]
        return Trace(
            current=np.stack([np.asarray(current).T for current in currents], -1),
            potential=np.asarray(layer.rec_v_mem).T,
            spikes=np.asarray(layer.rec_recurrent_spikes),
            current_out=np.asarray(layer.rec_i_syn_out).T,
            potential_out=np.asarray(layer.rec_v_mem_out).T,
            spikes_out=fired,
            suspect=np.zeros((), bool),
        )


def mismatches(network: ChipNetwork, events: np.ndarray, trace: Trace) -> dict[str, int]:
    """Count where a trace [B, ...] of `network` for events [B, T, I] differs from XyloSim.

    All zero means equal at every step, bit for bit.
    """
    referee = Referee(network)
    totals = dict.fromkeys(Trace._fields[:-1], 0)
    for number, sample in enumerate(events):
        expected = referee(sample)
        for name in totals:
            differs = np.asarray(getattr(trace, name))[number] != getattr(expected, name)
            totals[name] += int(differs.sum())
    return totals
