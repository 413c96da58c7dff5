"""When each layer's neurons may spike: the order, start and length of all windows.

The one description of time from the first input to the decision. Raster figures and latencies are
read off it.
"""

from typing import NamedTuple

import numpy as np

from ttfs_jax.network.architecture import Architecture, NetworkSpec
from ttfs_jax.network.encoding import INPUT_WINDOW
from ttfs_jax.network.plan import make_plan
from ttfs_jax.network.variables import layer_of


class Slot(NamedTuple):
    """The window of one signal."""

    number: int  # place in the order of windows, from 0
    start: float  # time units since the first input could spike
    length: float  # time units


class Timeline(NamedTuple):
    """The windows of one network, one after another."""

    slots: dict[str, Slot]  # by signal, in order of time; pooling shares the window of its input
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

        Every window has 2^b steps, however long the steps are.
        """
        return self.windows * 2**self.time_bits if self.time_bits else None


def signal_names(spec: NetworkSpec, operators: np.ndarray) -> tuple[str, ...]:
    """Name the signals of an architecture in the order of their windows.

    `operators` [N] are indices into OPERATORS: a skipped block has no signal, a convolution one
    (`block_<n>/first`), a residual block two.
    """
    return tuple(
        layer.name
        for layer in make_plan(spec).values()
        if layer.kind in ("input", "earliest_pool")
        or (layer.spiking and layer.chosen(layer.kernels, operators))
    )


def make_timeline(spec: NetworkSpec, architecture: Architecture, windows: dict) -> Timeline:
    """Lay out the windows of a network in time.

    A neuron collects its inputs in the window before its own, so each layer's window begins where
    that of its input ends. Pooled spikes pass on in the window in which they arrive.

    `architecture` is concrete; `windows` are the network's variables of that name: lengths [] in
    time units by layer.
    """
    operators = np.asarray(architecture.operators)
    slots = {"input": Slot(0, 0.0, INPUT_WINDOW)}
    for layer in make_plan(spec).values():
        if layer.kind in ("input", "readout"):
            continue
        number, start, length = slots[layer.chosen(layer.sources, operators)]
        if layer.spiking:
            own = float(layer_of(windows, layer.name)["window"])
            number, start, length = number + 1, start + length, own
        slots[layer.name] = Slot(number, start, length)
    names = signal_names(spec, operators)
    return Timeline({name: slots[name] for name in names}, int(architecture.time_bits))
