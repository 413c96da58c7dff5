"""Windows in time by hand, and the quantised network as a clocked circuit: whole steps only."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from search.reports.figures import draw_raster
from ttfs_jax.network.architecture import Architecture, NetworkSpec
from ttfs_jax.network.conversion import calibrate, fold
from ttfs_jax.network.layers import Signal
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.network.timeline import make_timeline, signal_names
from ttfs_jax.spike_time import NO_SPIKE

SPEC = NetworkSpec((6, 6, 2), 3, stage_widths=(3, 4), stage_blocks=(2, 1), head_width=5)
NETWORK = Network(SPEC)
recorded = jax.jit(partial(NETWORK.apply, code="ttfs", record=True))
BITS = 4


def architecture(operators, bits=BITS):
    return Architecture(
        jnp.array(operators, jnp.int32), jnp.array([3, 4]), jnp.array(5), jnp.array(bits)
    )


def test_windows_follow_each_other_and_pooling_shares_one():
    windows = {
        "stem": {"window": 2.0},
        "block_0": {"first": {"window": 3.0}, "second": {"window": 0.5}},
        "block_1": {"first": {"window": 9.0}, "second": {"window": 9.0}},
        "entry_0": {"window": 4.0},
        "block_2": {"first": {"window": 0.25}, "second": {"window": 9.0}},
        "head": {"window": 5.0},
        "output": {"window": 7.0},
    }
    timeline = make_timeline(SPEC, architecture([3, 0, 2]), windows)
    assert timeline.slots == {
        "input": (0, 0.0, 1.0),
        "stem": (1, 1.0, 2.0),
        "block_0/first": (2, 3.0, 3.0),
        "block_0/second": (3, 6.0, 0.5),
        "pool1": (3, 6.0, 0.5),
        "entry_0": (4, 6.5, 4.0),
        "block_2/first": (5, 10.5, 0.25),
        "head": (6, 10.75, 5.0),
    }
    assert (timeline.windows, timeline.end, timeline.steps) == (7, 15.75, 7 * 16)
    assert make_timeline(SPEC, architecture([3, 0, 2], bits=0), windows).steps is None


@pytest.mark.parametrize("operators", [(0, 0, 0), (1, 2, 3), (3, 3, 0)])
def test_names_are_those_of_recorded_signals(operators):
    variables = initialise(NETWORK, jax.random.key(0))
    images = jnp.full((1, *SPEC.image_shape), 0.5)
    chosen = architecture(operators)
    out = recorded(variables, images, chosen)
    names = signal_names(SPEC, np.array(operators))
    assert set(names) <= set(out.signals)
    # What is left out repeats another signal.
    last = {
        n: max(k for k in names if k.startswith(f"block_{n}")) for n in range(3) if operators[n]
    }
    for n, name in last.items():
        np.testing.assert_array_equal(
            out.signals[name].values, out.signals[f"block_{n}/second"].values
        )


def test_raster_draws_spikes_in_their_windows():
    windows = initialise(NETWORK, jax.random.key(0))["windows"]
    timeline = make_timeline(SPEC, architecture([1, 0, 0]), windows)
    signals = {
        name: Signal(jnp.array([[0.25, NO_SPIKE, 1.0]]) * slot.length, jnp.array(slot.length))
        for name, slot in timeline.slots.items()
    }
    (axes,) = draw_raster(signals, timeline, "made").axes
    assert [label.get_text() for label in axes.get_yticklabels()][0] == "input (2/3)"
    for line, slot in zip(axes.lines, timeline.slots.values(), strict=True):
        np.testing.assert_allclose(
            line.get_xdata(), slot.start + np.array([0.25, 1.0]) * slot.length
        )
    assert axes.get_xlim() == (0, timeline.end)


class Circuit:
    """A clocked circuit: spikes, counters and potentials, one step after another.

    In every step a neuron adds the weights of the inputs that have spiked, times the step's length
    in units of time. In its own window it fires when the time left is what it has collected,
    rounded to whole steps.
    """

    def __init__(self, bits):
        self.steps = 2**bits

    def collect(self, fired, weights, length):
        """Sum charge over a window: firing steps [I] (−1 = silent), weights [I, O] -> [O]."""
        potential = np.zeros(weights.shape[1])
        for step in range(self.steps):
            arrived = (fired >= 0) & (fired <= step)
            potential += length / self.steps * weights[arrived].sum(0)
        return potential

    def fire(self, drive, length):
        """Return the firing steps of a window, −1 for silence: [O] -> [O]."""
        steps = np.full(drive.shape, -1)
        for neuron, value in enumerate(drive):
            for step in range(self.steps):
                left = (self.steps - step) * length / self.steps
                if value > 0 and left - value <= length / self.steps / 2:
                    steps[neuron] = step
                    break
        return steps


def connections(kernel, plane, size):
    """Write a convolution as weights between single neurons: [k k I, O] -> [H W I, H W O]."""
    (height, width), half = plane, size // 2
    kernel = kernel.reshape(size, size, -1, kernel.shape[-1])
    inputs, outputs = kernel.shape[2:]
    weights = np.zeros((height, width, inputs, height, width, outputs))
    for y, x in np.ndindex(height, width):
        for i, j in np.ndindex(size, size):
            row, column = y + i - half, x + j - half
            if 0 <= row < height and 0 <= column < width:
                weights[row, column, :, y, x, :] = kernel[i, j]
    return weights.reshape(height * width * inputs, -1)


@pytest.mark.slow
def test_the_quantised_network_is_a_clocked_circuit():
    """A residual block, step by step: its skip waits one window of 2^b steps, no fraction."""
    with jax.enable_x64(True):
        chosen = architecture([3, 0, 0])
        images = jnp.asarray(np.random.default_rng(0).uniform(0, 1, (4, *SPEC.image_shape)))
        generator = np.random.default_rng(1)
        shapes = jax.eval_shape(lambda: initialise(NETWORK, jax.random.key(0)))
        variables = jax.tree.map(lambda leaf: generator.normal(0.1, 0.4, leaf.shape), shapes)
        converted = jax.jit(lambda v: fold(calibrate(NETWORK, v, chosen, images, margin=1.0)))
        variables = converted(variables)
        out = recorded(variables, images[:1], chosen)
    params, windows = jax.tree.map(np.asarray, (variables["params"], variables["windows"]))
    lengths = {
        "input": 1.0,
        "stem": float(windows["stem"]["window"]),
        "block_0/first": float(windows["block_0"]["first"]["window"]),
        "block_0/second": float(windows["block_0"]["second"]["window"]),
    }
    assert abs(lengths["stem"] / lengths["block_0/first"] - 1.0) > 0.05
    circuit, plane = Circuit(BITS), (6, 6)
    centre = params["block_0"]["first"]["kernel"].reshape(5, 5, 3, 3)[1:4, 1:4].reshape(27, 3)
    layers = {
        "stem": (params["stem"]["kernel"], params["stem"]["bias"]),
        "block_0/first": (centre, params["block_0"]["first"]["bias"]),
        "block_0/second": (
            params["block_0"]["second"]["kernel"],
            params["block_0"]["second"]["bias"],
        ),
    }
    fired = {"input": circuit.fire(np.asarray(images[0]).ravel(), 1.0)}
    names = list(lengths)
    for before, name in zip(names, names[1:], strict=False):
        kernel, bias = layers[name]
        weights = connections(kernel, plane, 3)
        drive = circuit.collect(fired[before], weights, lengths[before])
        if name == "block_0/second":
            # The stem's spikes, in the same steps of the window after theirs.
            skip = np.eye(len(fired["stem"])) * (lengths["stem"] / lengths[before])
            drive += circuit.collect(fired["stem"], skip, lengths[before])
        fired[name] = circuit.fire(drive + np.tile(bias, 36), lengths[name])
    for name in names:
        values = np.asarray(out.signals[name].values).ravel()
        steps = np.where(values == NO_SPIKE, -1.0, values / lengths[name] * circuit.steps)
        np.testing.assert_allclose(steps, fired[name], atol=1e-6, err_msg=name)
        assert (fired[name] >= 0).any() and (fired[name] < 0).any(), name
