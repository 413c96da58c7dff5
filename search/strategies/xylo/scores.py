"""What a network for the chip is judged by: recall, energy, latency, and whether it fits."""

from collections.abc import Sequence

import jax
import numpy as np
from flax import struct

from hardware.target import Estimate, Workload, total
from hardware.xylo.chips import Mapped, Xylo
from hardware.xylo.cycles import Activity
from hardware.xylo.mappings.native import Layer, assemble
from hardware.xylo.network import ChipNetwork
from search.config import XyloConfig
from search.spaces.xylo import Candidate
from search.strategies.xylo.population import CHANNELS, Measured, Network
from ttfs_jax.support.errors import InputError, unknown

OBJECTIVES = ("war", "uar", "energy", "latency")


@struct.dataclass
class XyloScores:
    """One row per archived candidate, each [n]; energies and times estimated, not measured."""

    war: np.ndarray
    uar: np.ndarray
    energy: np.ndarray  # J per inference, nominal
    energy_low: np.ndarray
    energy_high: np.ndarray
    latency: np.ndarray  # s to the decision on average
    violations: np.ndarray  # limits violated, the budgets among them; 0 fits
    decided: np.ndarray  # share of samples with an output spike
    step: np.ndarray  # mean step of the decision
    spikes: np.ndarray  # hidden spikes per sample
    neurons: np.ndarray
    synapses: np.ndarray


FIELDS = tuple(XyloScores.__dataclass_fields__)


def objective_names(objectives: str) -> list[str]:
    """Split objectives, as "war,energy". Raises: InputError for an unknown or repeated one."""
    names = objectives.split(",")
    for name in names:
        if name not in OBJECTIVES:
            raise unknown("--objectives", name, OBJECTIVES)
    if len(set(names)) < len(names):
        raise InputError(f"--objectives {objectives} names one twice: name each once")
    return names


def costs(scores: dict[str, np.ndarray], objectives: Sequence[str]) -> np.ndarray:
    """Turn scores into costs, all to be minimised: [n, M]; recalls r become 1 − r."""
    columns = [
        1.0 - scores[name] if name in ("war", "uar") else scores[name] for name in objectives
    ]
    return np.stack(columns, -1)


def volume_costs(scores: dict[str, np.ndarray], objectives: Sequence[str]) -> np.ndarray:
    """Turn scores into costs for hypervolumes: [n, M]; energy and latency as logarithms."""
    plain = costs(scores, objectives)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(
            [name in ("energy", "latency") for name in objectives], np.log10(plain), plain
        )


def silent_gap(candidate: Candidate, config: XyloConfig) -> int:
    """Count the silent steps after a sample in which its states die away.

    A native network needs `gap` time constants of its slowest decay; an exact one, whose timers
    fire once, is configured anew.
    """
    if candidate.mapping == "exact":
        return 0
    return round(config.gap * 2 ** max(candidate.dash_syn, candidate.dash_mem))


def skeleton(candidate: Candidate, classes: int) -> ChipNetwork:
    """Build a native network of the candidate's shape, with every connection in use."""
    sizes = (CHANNELS, *candidate.widths, classes)
    layers = [
        Layer(np.ones((before, after)), np.ones(after))
        for before, after in zip(sizes[:-1], sizes[1:], strict=True)
    ]
    layers[0].kernel[candidate.features.count :] = 0
    return assemble(layers, candidate.dynamics, 1)


def price(
    network: Network, measured: Measured, config: XyloConfig, *, target: str
) -> tuple[Estimate, float]:
    """Estimate one inference of a network, and the seconds that a step takes.

    Activity was measured over the steps of the sample; the silent gap comes on top. Estimated,
    not measured.
    """
    active = Activity(np.asarray(measured.active_inputs), np.asarray(measured.active_hidden))
    steps = network.steps + silent_gap(network.candidate, config)
    # Cycles are linear in the activity, so that the gap thins it out.
    share = network.steps / steps
    chip = Xylo(target, clock_mhz=config.clock_mhz)
    thinned = Activity(active.inputs * share, active.hidden * share)
    mapped = Mapped(network.chip, steps, thinned)
    workload = Workload(CHANNELS, network.chip.sizes[2], layers=(), mapped=mapped)
    return chip.estimate(workload), chip.cycles(network.chip, active) / (config.clock_mhz * 1e6)


def over_budget(found: Estimate, latency: float, config: XyloConfig) -> tuple[str, ...]:
    """List the user's budgets that an estimate exceeds, and by how much."""
    energy = 1e6 * total(found.terms).nominal
    return tuple(
        f"{value:.3g} {unit} is over --xylo.{option} {limit:g}: raise it, or use fewer neurons and "
        "steps"
        for value, limit, unit, option in (
            (energy, config.max_energy_uj, "µJ", "max-energy-uj"),
            (1e3 * latency, config.max_latency_ms, "ms", "max-latency-ms"),
        )
        if limit is not None and value > limit
    )


def score(
    network: Network, measured: Measured, config: XyloConfig, *, target: str
) -> tuple[dict[str, float], Estimate]:
    """Score one network: the fields of `XyloScores`, and the estimate they rest on."""
    found, seconds = price(network, measured, config, target=target)
    chip = network.chip
    latency = float(measured.step) * seconds
    energy = total(found.terms)
    scores = {
        "war": float(measured.war),
        "uar": float(measured.uar),
        "energy": energy.nominal,
        "energy_low": energy.low,
        "energy_high": energy.high,
        "latency": latency,
        "violations": float(len(found.reasons) + len(over_budget(found, latency, config))),
        "decided": float(measured.decided),
        "step": float(measured.step),
        "spikes": float(measured.spikes),
        "neurons": float(chip.sizes[1]),
        "synapses": float(
            sum(
                np.count_nonzero(part)
                for part in (chip.weights_in, chip.weights_rec, chip.weights_out)
            )
        ),
    }
    return scores, found


def table(rows: Sequence[dict[str, float]]) -> XyloScores:
    """Stack rows: each field [n]."""
    return XyloScores(**jax.tree.map(lambda *values: np.array(values), *rows))
