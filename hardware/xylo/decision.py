"""From the chip's output spikes to classes: the first spike names the class."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hardware.xylo.core import Trace, check_events, simulate
from hardware.xylo.network import ChipNetwork
from ttfs_jax.support import Array

CHUNK = 512  # samples at a time


class Decision(NamedTuple):
    """Classes and times of the first output spikes."""

    classes: np.ndarray  # [B]; −1 without an output spike
    steps: np.ndarray  # [B] step of the decision, from 1; all T without an output spike


def first_spike(fired: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Find the first spike of one sample: fired bool [T, O] -> class [], step [] from 0; traceable.

    If outputs spike in the same step the lowest id wins, since the chip reports spikes only. No
    spike: class −1, step T − 1.
    """
    spiking = fired.any()
    step = jnp.where(spiking, fired.any(1).argmax(), len(fired) - 1)
    return jnp.where(spiking, fired[step].argmax(), -1), step


_first_spikes = jax.jit(jax.vmap(first_spike))


def first_output_spike(spikes_out: np.ndarray) -> Decision:
    """Decide by the first output spike, see `first_spike`: `spikes_out` [B, T, O] -> `Decision`."""
    classes, steps = map(np.asarray, _first_spikes(np.asarray(spikes_out) > 0))
    return Decision(classes, steps + 1)


class Classified(NamedTuple):
    """A classified batch, with the activity for estimating its cost."""

    decision: Decision  # of every sample
    active_hidden: np.ndarray  # [] share of hidden neurons that spike in a step
    spikes: np.ndarray  # [] hidden spikes per sample


def _outputs(trace):
    return trace.spikes_out, (trace.spikes > 0).mean(), trace.spikes.sum()


def output_spikes(trace: Trace) -> Array:
    """Keep the outputs' spikes of a trace."""
    return trace.spikes_out


def classify(network: ChipNetwork, events: np.ndarray) -> Classified:
    """Classify samples in `network` by the first output spike: events [B, T, I] -> `Classified`.

    As `core.simulate`, but in chunks and without keeping traces.

    Raises: InputError for events that the chip cannot take.
    """
    events = check_events(events, network.sizes[0])
    parts = []
    for begin in range(0, len(events), CHUNK):
        rows = events[begin : begin + CHUNK]
        filled = np.concatenate([rows, np.zeros((CHUNK - len(rows), *rows.shape[1:]), np.float32)])
        parts.append([leaf[: len(rows)] for leaf in simulate(network, filled, keep=_outputs)])
    spikes_out, active, spikes = map(np.concatenate, zip(*parts, strict=True))
    return Classified(first_output_spike(spikes_out), active.mean(), spikes.mean())


def classify_stream(
    network: ChipNetwork, events: np.ndarray, *, gap: int, streams: int = 8
) -> Decision:
    """Classify samples in `network` without a reset, `gap` silent steps between them.

    Shapes: events [B, T, I] -> `Decision`; a sample's decision is its first output spike within
    T + gap steps. Samples are split over several streams, each starting at rest; those that do not
    fill all streams are left out.

    Raises: InputError for events that the chip cannot take.
    """
    events = check_events(events, network.sizes[0])
    length, channels = events.shape[1:]
    rows = events[: len(events) // streams * streams]
    silent = np.zeros((len(rows), gap, channels), np.float32)
    joined = np.concatenate([rows, silent], 1).reshape(streams, -1, channels)
    fired = simulate(network, joined, keep=output_spikes)
    return first_output_spike(fired.reshape(len(rows), length + gap, -1))
