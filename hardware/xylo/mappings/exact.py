"""A dense TTFS network on the chip with the spike times of its ReLU twin: the exact B1 mapping.

Every neuron that is a ReLU in spike times (a twin, as its activation is that of the ReLU network)
integrates currents that do not leak: positive weights on one synapse and negative ones on the
other, whose leaks cancel. One-shot timers start its currents and stop them, so that its slope in
the firing window is the same for every input. As that needs every input to have arrived, each
hidden twin has a complement with the same outgoing weights, which spikes at the end of the window
exactly when the twin did not. The last layer are neurons of the logits; they alone reach the
outputs, and the first output spike names the class.

Windows follow each other: one for the inputs, one per layer. Recommended for proof, not for
efficiency: it takes (layers + 1) T + 2 steps and two neurons per unit.

Letters: B batch, I inputs, K classes, L layers, T steps of a window, N hidden ids of the chip.
Source: the identity, Stanojevic et al. 2024 (arXiv:2306.08744).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hardware.xylo.core import Trace
from hardware.xylo.families import family, require_fit
from hardware.xylo.mappings.circuit import Circuit, number_neurons
from hardware.xylo.mappings.exact_neurons import Slopes, fit_slopes, holding, split
from hardware.xylo.network import ChipNetwork
from ttfs_jax.network.dense import Dense
from ttfs_jax.support.errors import InputError

START = 2  # steps before the first input, in which timer and relay start


class Exact(NamedTuple):
    """A converted network, and the data for using it."""

    network: ChipNetwork  # the network in the core
    steps: int  # T, of every window
    total_steps: int  # of an inference
    starts: tuple[int, ...]  # L + 1: first arrival at each layer, then the last firing window
    twins: tuple[np.ndarray, ...]  # L ids of each layer's neurons; the last are those of the logits
    complements: tuple[np.ndarray, ...]  # L − 1 ids
    timers: np.ndarray  # [P, 3] ids of each pulse's timer, relay and the relay's own timer
    slopes: tuple[Slopes, ...]  # L layers in units of the potential


def winning_range(logits: np.ndarray, *, margin: float = 0.2) -> tuple[float, float]:
    """Return the range in which the largest logit of a sample lies: logits [B, K] -> (low, high).

    Classes below stay silent, which changes no decision and makes the steps finer. `margin` widens
    the range downwards, by a share of it, for unseen samples.
    """
    largest = np.asarray(logits).max(1)
    low, high = float(largest.min()), float(largest.max())
    return low - margin * (high - low), high


def _normalise(layers, window_lengths, logit_range):
    """Scale layers so that every activation is a share of its window: L pairs (kernel, bias)."""
    low, high = (float(end) for end in logit_range)
    before = [1.0, *window_lengths]
    after = [*window_lengths, high - low]
    shares = [
        (np.asarray(layer.kernel, float) * (i / o), np.asarray(layer.bias, float) / o)
        for layer, i, o in zip(layers, before, after, strict=True)
    ]
    kernel, bias = shares[-1]
    return [*shares[:-1], (kernel, bias - low / (high - low))]


def _check(layers, window_lengths, logit_range, steps, synapses):
    if not layers:
        raise InputError("a network needs at least one layer")
    if not isinstance(steps, int | np.integer) or steps < 2:
        raise InputError(f"steps must be a whole number from 2 on, not {steps}")
    if synapses not in (1, 2):
        raise InputError(f"a hidden neuron has 1 or 2 synapses, not {synapses}")
    arriving = None
    for number, (kernel, bias) in enumerate(layers):
        shape = np.shape(kernel)
        if len(shape) != 2 or np.shape(bias) != shape[1:] or arriving not in (None, shape[0]):
            raise InputError(
                f"layer {number} must be a kernel [{arriving or 'I'}, O] with a bias [O], not "
                f"{shape} with {np.shape(bias)}"
            )
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise InputError(f"layer {number} holds NaN or infinity: train with a lower rate")
        arriving = shape[1]
    lengths = [np.asarray(length) for length in window_lengths]
    if [np.shape(length) for length in lengths] != [()] * (len(layers) - 1) or not all(
        0 < length < np.inf for length in lengths
    ):
        raise InputError(
            f"window_lengths must be {len(layers) - 1} positive numbers, one per hidden layer, "
            f"not {list(window_lengths)}"
        )
    ends = np.asarray(logit_range)
    if ends.shape != (2,) or not np.isfinite(ends).all() or not ends[0] < ends[1]:
        raise InputError(f"logit_range must be (low, high) with low < high, not {logit_range}")


def convert(
    layers: Sequence[Dense],
    window_lengths: Sequence[float],
    logit_range: tuple[float, float],
    *,
    steps: int = 32,
    synapses: int = 2,
    chip: str = "xylo-a3",
) -> Exact:
    """Convert a stack of dense layers; see `ttfs_jax.network.dense` for stack and windows.

    `window_lengths` are those of the hidden layers (`dense.windows`), `logit_range` the one in
    which logits become spike times, see `winning_range`; `steps` is T. With two synapses spike
    times are those of the rounded weights; with one they shift by a step or two if T is short (16
    to 32), and the identity is lost beyond.

    Shapes: kernels [I, O], biases [O].

    Raises: InputError for wrong shapes, NaN, ranges that are empty, slopes that do not fit into 16
    bits, and networks beyond the limits of the chip.
    """
    _check(layers, window_lengths, logit_range, steps, synapses)
    shares = _normalise(layers, [float(length) for length in window_lengths], logit_range)
    slopes = tuple(
        fit_slopes(*share, steps=steps, synapses=synapses, name=f"layer {number}")
        for number, share in enumerate(shares)
    )
    depth, sizes = len(layers), [len(layer.slope) for layer in slopes]
    starts = START + steps * np.arange(depth + 1)
    # The pulses: the start of each layer and of the last firing window, the ends of hidden layers.
    acting = np.concatenate([starts, starts[1:-1] + steps - 1])
    ids = number_neurons(sizes, len(acting))
    network = _build(slopes, ids, acting, steps=steps, synapses=synapses)
    return Exact(
        network=require_fit(network, family(chip)),
        steps=steps,
        total_steps=int(starts[-1]) + steps,
        starts=tuple(starts.tolist()),
        twins=ids.twins,
        complements=ids.complements,
        timers=ids.timers,
        slopes=slopes,
    )


def _build(slopes, ids, acting, *, steps, synapses):
    """Build the circuit of layers whose pulses, in the order of `convert`, act at given steps."""
    circuit = Circuit(ids, inputs=len(slopes[0].weights), synapses=synapses)
    circuit.set_timers(acting)
    against = np.array([1, -1][:synapses]) * holding(steps, synapses)
    for number, (layer, twins) in enumerate(zip(slopes, ids.twins, strict=True)):
        if number == 0:
            circuit.connect_inputs(layer.weights)
        else:
            circuit.connect_layer(number, layer.weights)
        circuit.set_twins(number, layer.threshold)
        circuit.pulse(number, twins, split(layer.lift, synapses) + against)
        circuit.pulse(number + 1, twins, split(layer.ramp, synapses))
    for number, layer in enumerate(slopes[:-1]):
        end = len(slopes) + 1 + number
        # A little more than the slope, so that the potential falls from now on.
        falling = -(layer.slope + 2 * steps)
        circuit.pulse(end, ids.twins[number], split(falling, synapses))
        circuit.set_complements(number, end)
    return circuit.to_network()


def encode_exact(inputs: np.ndarray, *, steps: int, total_steps: int) -> np.ndarray:
    """Turn inputs into events, one per channel, T (1 − a) steps after the start, rounded.

    Shapes: inputs [B, I] in [0, 1] -> events [B, `total_steps`, I] of 0 and 1; T is `steps`. An
    input of 0 spikes too, at the end of its window, since every input must arrive.

    Raises: InputError for another shape, NaN or values outside [0, 1].
    """
    inputs = np.asarray(inputs, float)
    if inputs.ndim != 2:
        raise InputError(f"inputs must be [B, I], not {inputs.shape}")
    if not ((inputs >= 0) & (inputs <= 1)).all():
        raise InputError("inputs must be within 0 … 1 and not NaN: scale them first")
    step = START + np.round(steps * (1.0 - inputs))
    return (np.arange(total_steps)[None, :, None] == step[:, None]).astype(np.float32)


def ideal_codes(exact: Exact, inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Compute the spike times that rounded weights stand for: inputs [B, I] -> L times [B, N].

    `exact` is the converted network. k = ⌈(goal − Σ_j w_j (T − k_j)) / R⌉ steps after the start of
    the firing window, clipped to 0 … T. T: no spike within the window.
    """
    code, codes = np.round(exact.steps * (1.0 - np.asarray(inputs, float))), []
    for layer in exact.slopes:
        charge = (exact.steps - code) @ layer.weights
        code = np.clip(np.ceil((layer.goal - charge) / layer.slope), 0, exact.steps)
        codes.append(code.astype(np.int64))
    return tuple(codes)


def spike_codes(exact: Exact, trace: Trace) -> tuple[np.ndarray, ...]:
    """Read the first spike of every twin from a trace [B, ...]: L times [B, N], as `ideal_codes`.

    `exact` is the converted network. Below 0: before the window. T: no spike.
    """
    codes = []
    for twins, start in zip(exact.twins, exact.starts[1:], strict=True):
        spikes = np.asarray(trace.spikes)[:, :, twins] > 0
        # Spikes of hidden neurons arrive one step later, at the next layer's start if first.
        code = spikes.argmax(1) - (start - 1)
        codes.append(np.where(spikes.any(1), code, exact.steps))
    return tuple(codes)
