"""Compare the integer core with XyloSim, bit for bit and in speed: `python -m benchmarks.xylo`.

Random networks of all three families, with every edge case: saturation, decays of 1 to 15 bits,
self-connections, many spikes per step, one and two synapses, aliases, biases, shifts. Currents,
potentials and spikes are compared at every step. Needs the extra `[xylo]`.
"""

import os
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial

import jax
import numpy as np

from hardware.xylo.core import run_batch, simulate
from hardware.xylo.decision import output_spikes
from hardware.xylo.families import FAMILIES
from hardware.xylo.network import ChipNetwork
from hardware.xylo.rockpool.referee import Referee, mismatches
from hardware.xylo.wiring import wiring
from ttfs_jax.support.command import run_command
from ttfs_jax.support.devices import everywhere, over_members, population_mesh, use_every_core

STEPS = 40
CALLS = 50  # of the core in each turn, as long as one of XyloSim
# Each case changes how networks are drawn; see `draw_network`.
CASES: dict[str, dict] = {
    "plain": {},
    "weak": {"weight": 20, "threshold": (500, 3000)},
    "biased": {"bias": 127},
    "layers": {"feed_forward": True, "bias": 20},
    "many spikes": {"threshold": (1, 20)},
    "aliases": {"alias": True},
    "saturating": {"shift": 8, "threshold": (1000, 32767), "bias": 127},
    "saturating, slow, aliases": {
        "shift": 8,
        "threshold": (20000, 32767),
        "bias": 127,
        "dash": (8, 15),
        "alias": True,
    },
}


@dataclass(frozen=True)
class XyloArguments:
    """Compare the integer core with XyloSim."""

    networks: int = 210
    """Random networks."""
    samples: int = 50
    """Random inputs of each."""
    seed: int = 0
    """Seed of networks and inputs."""
    batch: int = 256
    """Samples at a time in the comparison of speed."""
    repeats: int = 10
    """Turns in the comparison of speed; the fastest batch of each side is reported."""
    quick: bool = False
    """24 networks times 10 inputs only."""
    json: bool = False
    """Print one JSON line."""


def draw_network(
    rng: np.random.Generator,
    *,
    sizes: tuple[int, int, int, int],
    weight: int = 127,
    shift: int = 0,
    threshold: tuple[int, int] = (1, 3000),
    bias: int = 0,
    dash: tuple[int, int] = (1, 15),
    alias: bool = False,
    feed_forward: bool = False,
    density: float = 0.5,
) -> ChipNetwork:
    """Draw a network of the given sizes (I, N, O, S) by `rng`, self-connections included.

    Weights reach from −`weight` − 1 to `weight`, biases from −`bias` to `bias`, and the shift of
    each kind of weight from 0 to `shift` bits; a share `density` of the weights is not 0.
    `threshold` and `dash` are the lowest and highest of thresholds and decays. `alias` gives some
    neurons an alias, which spikes with them; `feed_forward` leaves connections to the same and
    later neurons only.
    """
    channels, hidden, outputs, synapses = sizes

    def weights(*shape):
        return rng.integers(-weight - 1, weight + 1, shape) * (rng.random(shape) < density)

    def within(limits, *shape):
        low, high = limits
        return rng.integers(low, high, shape, endpoint=True)

    recurrent = weights(hidden, hidden, synapses)
    if feed_forward:
        recurrent *= np.triu(np.ones((hidden, hidden), int))[..., None]
    targets = None
    if alias:
        # Any neuron but itself.
        targets = (np.arange(hidden) + rng.integers(1, hidden, hidden)) % hidden
        targets = np.where(rng.random(hidden) < 0.4, targets, -1)
    return ChipNetwork(
        weights_in=weights(channels, hidden, synapses),
        weights_rec=recurrent,
        weights_out=weights(hidden, outputs),
        dash_syn=within(dash, hidden, synapses),
        dash_mem=within(dash, hidden),
        threshold=within(threshold, hidden),
        bias=within((-bias, bias), hidden),
        dash_syn_out=within(dash, outputs),
        dash_mem_out=within(dash, outputs),
        threshold_out=within(threshold, outputs),
        bias_out=within((-bias, bias), outputs),
        shift_in=within((0, shift)),
        shift_rec=within((0, shift)),
        shift_out=within((0, shift)),
        alias=targets,
    )


def draw_events(rng: np.random.Generator, samples: int, steps: int, channels: int) -> np.ndarray:
    """Draw input events [B, T, I]: silent samples, sparse and busy ones, 0 … 15 events each.

    `rng` draws them; `samples`, `steps` and `channels` are B, T and I.
    """
    shape = (samples, steps, channels)
    rates = rng.choice([0.0, 0.05, 0.3, 1.0], (samples, 1, 1))
    return rng.integers(0, 16, shape) * (rng.random(shape) < rates)


def count_mismatches(networks: int, samples: int, seed: int) -> dict:
    """Count mismatches by quantity over random networks and inputs: JSON values.

    `networks` are drawn by `seed`, with `samples` inputs each.
    """
    rng = np.random.default_rng(seed)
    totals, suspects = Counter(), 0
    chips, cases = list(FAMILIES.values()), list(CASES.values())
    for number in range(networks):
        synapses = chips[number % len(chips)].synapses
        case = cases[number // len(chips) % len(cases)]
        network = draw_network(rng, sizes=(16, 24, 6, synapses), **case)
        events = draw_events(rng, samples, STEPS, 16)
        trace = simulate(network, events)
        totals.update(mismatches(network, events, trace))
        suspects += int(trace.suspect.sum())
    return {
        "networks": networks,
        "samples": samples,
        "mismatches": sum(totals.values()),
        "mismatches_by_quantity": dict(totals),
        "share_added_event_by_event": suspects / (networks * samples),
    }


def time_both(batch: int, repeats: int, seed: int) -> dict:
    """Time a feed-forward 16-60-40-10 network for 100 steps: samples per second of both.

    `batch` samples at a time, in `repeats` turns; `seed` draws network and events.
    """
    rng = np.random.default_rng(seed)
    draft = draw_network(rng, sizes=(16, 100, 10, 1), weight=40, dash=(3, 5), threshold=(300, 900))
    weights_in, weights_rec = np.array(draft.weights_in), np.array(draft.weights_rec)
    weights_out = np.array(draft.weights_out)
    weights_in[:, 60:], weights_out[:60] = 0, 0
    weights_rec[60:], weights_rec[:, :60] = 0, 0
    network = replace(
        draft, weights_in=weights_in, weights_rec=weights_rec, weights_out=weights_out
    )
    shape = (batch, 100, 16)
    events = (rng.random(shape) < 0.1).astype(np.float32)
    # Samples are split over the cores.
    mesh = population_mesh()
    events = jax.device_put(events, over_members(mesh))
    placed = jax.device_put(network, everywhere(mesh))
    outputs = partial(run_batch, placed, keep=output_spikes, plan=wiring(network))
    fired, suspect = map(np.asarray, outputs(events))
    listed = np.asarray(events, int).tolist()
    referee = Referee(network)
    ours, theirs = [], []
    for _ in range(repeats):
        for _ in range(CALLS):
            started = time.perf_counter()
            jax.block_until_ready(outputs(events))
            ours.append(batch / (time.perf_counter() - started))
        started = time.perf_counter()
        expected = [referee.evolve(sample) for sample in listed]
        theirs.append(batch / (time.perf_counter() - started))
    return {
        "core_samples_per_s": max(ours),
        "xylosim_samples_per_s": max(theirs),
        "speedup_vs_xylosim": max(ours) / max(theirs),
        "speedup_of_medians": float(np.median(ours) / np.median(theirs)),
        "timed_equal": bool((fired == np.stack(expected)).all()) and not suspect.any(),
    }


def measure_core(arguments: XyloArguments) -> dict:
    """Compare and time as the `arguments` say: JSON values."""
    use_every_core()
    quick = arguments.quick
    networks, samples = (24, 10) if quick else (arguments.networks, arguments.samples)
    return {
        "benchmark": "xylo",
        "cpus": os.cpu_count(),
        **count_mismatches(networks, samples, arguments.seed),
        **time_both(arguments.batch, arguments.repeats, arguments.seed),
    }


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line; `arguments` replace those of the command line."""
    run_command("benchmarks.xylo", XyloArguments, measure_core, dict, arguments)


if __name__ == "__main__":
    main()
