"""The limits of each chip of the family, and where a network exceeds them."""

from dataclasses import dataclass

import numpy as np

from hardware.xylo.network import ChipNetwork, check_network
from ttfs_jax.support import errors
from ttfs_jax.support.errors import InputError


@dataclass(frozen=True)
class Family:
    """The limits of one chip.

    Sources: docs/devices/xylo-overview.ipynb, the mappers' defaults and syns65302/ram.py of
    Rockpool 3.1.0.
    """

    name: str
    """Name by which users choose it."""
    module: str
    """Rockpool's module of the chip."""
    hidden: int
    """Hidden neurons."""
    outputs: int
    """Output neurons."""
    from_inputs: int
    """Inputs reach hidden neurons with ids below this only."""
    to_outputs: int
    """This many last hidden ids reach outputs."""
    synapses: int
    """Synapses of a hidden neuron."""
    fan_out: int
    """Hidden neurons that one hidden neuron reaches."""
    memory: int
    """Connections among hidden neurons; both synapses of a pair share one entry."""
    inputs: int = 16
    """Input channels."""
    full_matrices: bool = False
    """Cycles count inputs and outputs as connected with every hidden neuron."""
    measured: bool = False
    """The constants of energy were measured on this chip."""


# The chips by name.
FAMILIES = {
    "xylo-a2": Family(
        "Xylo-Audio 2", "syns61201", 1000, 8, 1000, 1000, 2, 64, 32_000, full_matrices=True
    ),
    "xylo-a3": Family(
        "Xylo-Audio 3", "syns65302", 992, 32, 128, 128, 2, 1024, 31_744, measured=True
    ),
    "xylo-imu": Family("Xylo-IMU", "syns63300", 496, 16, 128, 128, 1, 512, 31_744),
}


def family(name: str) -> Family:
    """Look up the chip `name`. Raises: InputError for an unknown one."""
    return errors.look_up("chip", name, FAMILIES)


def violations(network: ChipNetwork, chip: Family) -> tuple[str, ...]:
    """List every limit of the chip that the network exceeds, by how much, and what would fit.

    Empty if it fits. Raises: InputError for a network that no chip could hold, see `check_network`.
    """
    return _beyond(check_network(network), chip)


def _beyond(net: ChipNetwork, chip: Family) -> tuple[str, ...]:
    channels, hidden, outputs, synapses = net.sizes
    reached = np.flatnonzero(np.asarray(net.weights_in).any((0, 2)))
    reaching = np.flatnonzero(np.asarray(net.weights_out).any(1))
    connected = np.asarray(net.weights_rec).any(2)
    fan_out, entries = connected.sum(1), int(connected.sum())
    excesses = [
        f"{used} {what}, {chip.name} has {limit}: {change}"
        for used, limit, what, change in (
            (channels, chip.inputs, "input channels", "pool the input"),
            (hidden, chip.hidden, "hidden neurons", f"take out {hidden - chip.hidden}"),
            (outputs, chip.outputs, "output neurons", f"take out {outputs - chip.outputs}"),
            (synapses, chip.synapses, "synapses a hidden neuron", "use one"),
            (
                entries,
                chip.memory,
                "connections among hidden neurons",
                f"prune {entries - chip.memory}",
            ),
            (
                int(fan_out.max(initial=0)),
                chip.fan_out,
                f"hidden neurons reached from neuron {fan_out.argmax() if hidden else 0}",
                "split it into several neurons with the same input",
            ),
        )
        if used > limit
    ]
    if len(reached) and reached[-1] >= chip.from_inputs:
        late = int((reached >= chip.from_inputs).sum())
        excesses.append(
            f"inputs reach hidden neuron {reached[-1]}, {chip.name} allows ids below "
            f"{chip.from_inputs}: {_move(late, len(reached), chip.from_inputs)}"
        )
    first = max(hidden - chip.to_outputs, 0)
    if len(reaching) and reaching[0] < first:
        early = int((reaching < first).sum())
        excesses.append(
            f"hidden neuron {reaching[0]} reaches outputs, {chip.name} allows the last "
            f"{chip.to_outputs} of {hidden} only: {_move(early, len(reaching), chip.to_outputs)}"
        )
    return tuple(excesses)


def _move(wrong: int, used: int, allowed: int) -> str:
    if used <= allowed:
        return f"give {wrong} neurons other ids"
    return f"{used} neurons need one, take out {used - allowed}"


def require_fit(network: ChipNetwork, chip: Family) -> ChipNetwork:
    """Return the network, checked as by `check_network`, if it fits the chip.

    Raises: InputError with every violated limit, or as `check_network` does.
    """
    net = check_network(network)
    if excesses := _beyond(net, chip):
        raise InputError(f"the network does not fit {chip.name}: {'; '.join(excesses)}")
    return net
