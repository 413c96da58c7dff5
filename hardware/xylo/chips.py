"""The chips of the family as hardware targets."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from hardware.target import Constant, Estimate, Range, Workload
from hardware.xylo.core import Trace
from hardware.xylo.cycles import WORST, ChipActivity, cycles_per_step, measure_activity
from hardware.xylo.energy import estimate
from hardware.xylo.families import Family, family, violations
from hardware.xylo.network import ChipNetwork, check_network
from ttfs_jax.network.counts import LayerCounts
from ttfs_jax.support.errors import InputError

SPREAD = 0.5
_ELSEWHERE = Constant(
    Range(1 - SPREAD, 1.0, 1 + SPREAD),
    "of Audio 3",
    "assumed: idle core of a Xylo-IMU at 6.25 MHz 188 µW (xylo-imu-intro.ipynb, Rockpool 3.1.0), "
    "0.6 of Audio 3",
)
SILICON = "core rail only: pads, host, sensor, loading of spikes and wake-up not included"


@dataclass(frozen=True)
class MappedNetwork:
    """A network mapped to the chip, for `Workload.mapped`.

    Raises: InputError for less than one step.
    """

    network: ChipNetwork
    """The network in the core."""
    steps: int
    """Time steps of one inference, a silent gap included."""
    activity: ChipActivity = WORST
    """Measured on the chip network; else every neuron counts as spiking in every step."""

    def __post_init__(self):
        if self.steps < 1:
            raise InputError(f"a network on the chip needs at least 1 step, not {self.steps}")


@dataclass(frozen=True)
class Xylo:
    """One chip with its clock; the constants are those of Audio 3, ± 50 % on the others."""

    name: str
    """Key of `families.FAMILIES`."""
    clock_mhz: float = 50.0
    """Clock in MHz, one of `energy.CLOCKS_MHZ`."""
    step_seconds: float | None = None
    """Length of a step in real time; None: as fast as the clock allows."""

    def cycles(self, network: ChipNetwork, active: ChipActivity) -> float:
        """Count the mean clock cycles of a step of `network`; `active` as in `cycles_per_step`."""
        return float(
            cycles_per_step(network, active, full_matrices=family(self.name).full_matrices)
        )

    def estimate(self, workload: Workload) -> Estimate:
        """Estimate from the `MappedNetwork` of `workload`, its activity and steps.

        See `energy.estimate`.

        The energy of a mapped network beyond a limit is that on a larger chip of the kind, and the
        reasons say so. A network that was not mapped to this family, such as a convolutional one,
        has no energy and no latency, and the reasons say why it does not fit.

        Raises: InputError for steps too short for their cycles.
        """
        chip, mapped = family(self.name), workload.mapped
        if not isinstance(mapped, MappedNetwork):
            return Estimate(self.name, {}, None, not_mapped(workload, chip))
        costs = estimate(
            self.cycles(mapped.network, mapped.activity),
            mapped.steps,
            clock_mhz=self.clock_mhz,
            step_seconds=self.step_seconds,
            reasons=violations(mapped.network, chip),
        )
        notes = (SILICON,) if costs.fits else (SILICON, "energy as if a larger chip held it")
        if chip.measured:
            return replace(costs, notes=notes)
        return replace(
            costs,
            target=self.name,
            terms={term: value.widen(SPREAD) for term, value in costs.terms.items()},
            constants=costs.constants | {"chip": _ELSEWHERE},
            notes=(f"extrapolated from Xylo-Audio 3, ± {100 * SPREAD:.0f} %", *notes),
        )


def not_mapped(workload: Workload, chip: Family) -> tuple[str, ...]:
    """List the limits of `chip` that a `workload` without a mapping exceeds, and the nearest fix.

    Every neuron and connection is separate there, since kernels cannot be shared; the
    pooling between stages of the network would need further neurons, which are not counted.
    """
    run = [layer for layer in workload.layers if int(layer.neurons)]
    among = sum(float(layer.synapses) for layer in run[1:])
    first, last = (int(layer.neurons) for layer in (run[0], run[-1])) if run else (0, 0)
    pool = f"pool the input to {chip.inputs} features and use --space xylo"
    excesses = [
        f"{used:,} {what}, {chip.name} has {limit:,}: {change or f'take out {used - limit:,}'}"
        for used, limit, what, change in (
            (workload.inputs, chip.inputs, "inputs", pool),
            (sum(int(layer.neurons) for layer in run), chip.hidden, "hidden neurons", None),
            (first, chip.from_inputs, "hidden neurons that inputs reach", None),
            (last, chip.to_outputs, "hidden neurons that reach outputs", None),
            (round(among), chip.memory, "connections among hidden neurons", None),
            (workload.outputs, chip.outputs, "outputs", None),
        )
        if used > limit
    ]
    return (*excesses, "no mapping to the chip: use --space xylo")


def workload(network: ChipNetwork, events: np.ndarray, trace: Trace) -> Workload:
    """Count the operations of a chip network: events [B, T, I] and its trace, each [B, T, ...].

    Means over the samples; a spike count of n is n spikes. Neurons are updated in every step.
    `multiply_adds` takes every weight once, as a feed-forward ReLU twin does.

    Raises: InputError for a network that no chip could hold, see `check_network`.
    """
    net = check_network(network)
    _, hidden, outputs, synapses = net.sizes
    samples, steps = np.shape(events)[:2]
    fired = np.asarray(trace.spikes).sum((0, 1)) / samples

    def row(name, neurons, spikes, arriving, currents):
        synops: Any = sum(counts @ (weights != 0).sum(1) for counts, weights in arriving)
        connections: Any = sum((weights != 0).sum() for _, weights in arriving)
        return jax.tree.map(
            np.asarray,
            LayerCounts(
                name=name,
                spikes=np.asarray(spikes).sum() / samples,
                synops=synops,
                neurons=neurons,
                updates=neurons * steps,
                states=neurons * (1 + currents),
                multiply_adds=connections,
                weights=connections,
                thresholds=neurons,
                synapses=connections,
            ),
        )

    def flat(weights):
        return np.asarray(weights).reshape(len(weights), -1)

    entering = np.asarray(events).sum((0, 1)) / samples
    into_hidden = ((entering, flat(net.weights_in)), (fired, flat(net.weights_rec)))
    return Workload(
        inputs=net.sizes[0],
        outputs=outputs,
        layers=(
            row("hidden", hidden, trace.spikes, into_hidden, synapses),
            row("output", outputs, trace.spikes_out, ((fired, net.weights_out),), 1),
        ),
        mapped=MappedNetwork(network, steps, measure_activity(events, trace)),
    )
