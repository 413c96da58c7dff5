"""When each layer's neurons may spike: the order, start and length of all windows.

The one description of time from the first input to the decision. Raster figures and latencies are
derived from it.
"""

from typing import NamedTuple

import numpy as np

from ttfs_jax.codes import find_code
from ttfs_jax.codes.encoding import INPUT_WINDOW
from ttfs_jax.network.architecture import Architecture, NetworkSpec, make_plan
from ttfs_jax.network.kinds import INPUT, Layer
from ttfs_jax.network.layers import layer_of
from ttfs_jax.network.plan import Plan
from ttfs_jax.support.errors import InputError


class Slot(NamedTuple):
    """The window of one signal."""

    number: int  # place in the order of windows, from 0
    start: float  # time units since the first input could spike
    length: float  # time units


class Timeline(NamedTuple):
    """The windows of one network, one after another."""

    slots: dict[str, Slot]  # by signal, in time order; pooling shares the window of its input
    time_bits: int  # each window has 2^b time steps; 0 = continuous time

    @property
    def windows(self) -> int:
        """Count the windows."""
        return max(slot.number for slot in self.slots.values()) + 1

    @property
    def end(self) -> float:
        """Return when the last window ends and the output potentials are read, in time units."""
        return max(slot.start + slot.length for slot in self.slots.values())

    @property
    def steps(self) -> int | None:
        """Count the time steps until the output potentials are read; None in continuous time.

        Every window has 2^b steps, of any length.
        """
        return self.windows * 2**self.time_bits if self.time_bits else None


def signal_names(shape: NetworkSpec | Plan, operators: np.ndarray) -> tuple[str, ...]:
    """Name the signals of an architecture of a `shape` in the order of its layers.

    `operators` [N] are indices into OPERATORS: a skipped block has no signal, a convolution one
    (`block_<n>/first`), a residual block two.
    """
    names = [
        layer.name
        for layer in make_plan(shape)
        if layer.kind == "earliest_pool" or (layer.spiking and runs(layer, operators))
    ]
    return (INPUT, *names)


def make_timeline(shape: NetworkSpec | Plan, architecture: Architecture, windows: dict) -> Timeline:
    """Lay out the windows of a network in time.

    A neuron collects its inputs in the window before its own, so each layer's window begins where
    that of its latest input ends. Pooled spikes pass on in the window in which they arrive.

    `shape` is its plan or searchable shape, `architecture` is concrete; `windows` are the network's
    variables of that name: lengths [] in time units by layer. Raises: InputError for a plan with a
    layer whose code has no windows.
    """
    operators, plan = np.asarray(architecture.operators), make_plan(shape)
    slots = {INPUT: Slot(0, 0.0, INPUT_WINDOW)}
    for layer in plan:
        if layer.code is not None and not find_code(layer.code).in_windows:
            raise InputError(f"{layer.name} computes in {layer.code} code, which has no windows")
        heard = layer.heard if runs(layer, operators) else layer.sources
        slot = max((slots[name] for name in heard), key=lambda slot: slot.start + slot.length)
        if layer.spiking and runs(layer, operators):
            own = float(layer_of(windows, layer.name)["window"])
            number = max(slots[name].number for name in heard) + 1
            slot = Slot(number, slot.start + slot.length, own)
        slots[layer.name] = slot
    return Timeline(
        {name: slots[name] for name in signal_names(plan, operators)}, int(architecture.time_bits)
    )


def runs(layer: Layer, operators: np.ndarray) -> bool:
    """Tell whether a known architecture runs a layer; operators [N]."""
    return layer.block is None or bool(layer.chosen(layer.kernels, operators))
