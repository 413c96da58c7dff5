"""Scores of a network for the chip: recall, energy, latency, and whether it fits."""

from typing import Any

import numpy as np

from hardware.target import Estimate, Workload, total
from hardware.xylo.chips import MappedNetwork, Xylo
from hardware.xylo.cycles import ChipActivity
from hardware.xylo.mappings.native import NativeLayer, assemble
from hardware.xylo.network import ChipNetwork
from search.config import XyloConfig
from search.loop.goal import Goal
from search.spaces.xylo import Candidate
from search.strategies.xylo.population import CHANNELS, ChipScores, XyloNetwork

# Scores of a candidate; energies and times are estimated, not measured.
FIELDS = (
    "war",
    "uar",
    "energy",  # J per inference, nominal
    "energy_low",
    "energy_high",
    "latency",  # s to the decision on average
    "violations",  # limits violated, those of the run among them; 0 fits
    "decided",  # share of samples with an output spike
    "step",  # mean step of the decision
    "spikes",  # hidden spikes per sample
    "neurons",
    "synapses",
)
MORE = ("synops", "params", "memory", "time_steps")  # scored if the run's goal uses them
OBJECTIVES = ("war", "uar", "energy", "latency", *MORE)
STATES = 2  # of a neuron: current and potential


def silent_gap(candidate: Candidate, config: XyloConfig) -> int:
    """Count the silent steps after a sample in which a candidate's states decay.

    `candidate` says how fast, and `config` how far: a native network needs `gap` time constants of
    its slowest decay; an exact one, whose timers fire once, is reconfigured.
    """
    if candidate.mapping == "exact":
        return 0
    return round(config.gap * 2 ** max(candidate.dash_syn, candidate.dash_mem))


def skeleton(candidate: Candidate, classes: int) -> ChipNetwork:
    """Build a native network of the candidate's shape, with every connection in use.

    `classes` is the number of outputs.
    """
    sizes = (CHANNELS, *candidate.widths, classes)
    shapes = list(zip(sizes[:-1], sizes[1:], strict=True))
    kernels: list[Any] = [np.ones(shape) for shape in shapes]
    kernels[0][candidate.features.count :] = 0
    thresholds: list[Any] = [np.ones(after) for _, after in shapes]
    layers = [NativeLayer(*layer) for layer in zip(kernels, thresholds, strict=True)]
    return assemble(layers, candidate.dynamics, 1)


def price(
    network: XyloNetwork, measured: ChipScores, config: XyloConfig, *, target: str
) -> tuple[Estimate, float]:
    """Estimate one inference of a network, and the seconds that a step takes.

    `config` has the clock and the gap, `target` is the chip's name. Activity was measured over the
    steps of the sample; the silent gap comes on top. Estimated, not measured.
    """
    active = ChipActivity(np.asarray(measured.active_inputs), np.asarray(measured.active_hidden))
    steps = network.steps + silent_gap(network.candidate, config)
    # Cycles are linear in the activity, so the gap lowers its mean.
    share = network.steps / steps
    chip = Xylo(target, clock_mhz=config.clock_mhz)
    thinned = ChipActivity(active.inputs * share, active.hidden * share)
    mapped = MappedNetwork(network.chip, steps, thinned)
    workload = Workload(CHANNELS, network.chip.sizes[2], layers=(), mapped=mapped)
    return chip.estimate(workload), chip.cycles(network.chip, active) / (config.clock_mhz * 1e6)


def score_network(
    network: XyloNetwork, measured: ChipScores, config: XyloConfig, *, target: str, goal: Goal
) -> tuple[dict[str, float], Estimate]:
    """Score one network: `FIELDS` and `MORE` by name, and the estimate behind them.

    `measured` has its results; `config` has the clock and the gap, `target` is the chip's name, and
    limits are those of the `goal`.
    """
    estimate, seconds = price(network, measured, config, target=target)
    energy = total(estimate.terms)
    scores = {
        "war": float(measured.war),
        "uar": float(measured.uar),
        "energy": energy.nominal,
        "energy_low": energy.low,
        "energy_high": energy.high,
        "latency": float(measured.step) * seconds,
        "decided": float(measured.decided),
        "step": float(measured.step),
        "spikes": float(measured.spikes),
        **counts(network, measured),
    }
    violations = len(estimate.reasons) + goal.exceeded(scores)
    return scores | {"violations": float(violations)}, estimate


def counts(network: XyloNetwork, measured: ChipScores) -> dict[str, float]:
    """Count the resources of a network: neurons, synapses, SynOps, parameters, memory, time steps.

    `measured` has the spikes. SynOps = Σ over layers of spikes × mean fan-out. Parameters are
    synapses, and a threshold per neuron, outputs included. Memory in bytes: weights of 8 bits,
    thresholds and states of 16.
    """
    chip = network.chip
    parts = (chip.weights_in, chip.weights_rec, chip.weights_out)
    inwards, *onwards = (float(np.count_nonzero(part)) for part in parts)
    channels, hidden, outputs = chip.sizes[:3]
    arriving = float(measured.active_inputs) * channels * network.steps
    synapses, neurons = inwards + sum(onwards), float(hidden + outputs)
    return {
        "neurons": float(hidden),
        "synapses": synapses,
        "synops": arriving * inwards / channels + float(measured.spikes) * sum(onwards) / hidden,
        "params": synapses + neurons,
        "memory": synapses + 2 * neurons * (1 + STATES),
        "time_steps": float(network.steps),
    }
