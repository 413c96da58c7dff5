"""Handwritten digits on the chip, by every mapping: `python -m benchmarks.xylo_digits`.

8 × 8 pixels pooled to 4 × 4 inputs, a network 16-60-40-10, trained on training and validation
images together (1,437) by recipes chosen with the validation images apart, measured on the test
images (360). Decisions on the chip are those of XyloSim. Needs the extra `[xylo]`.
"""

import os
from dataclasses import dataclass
from math import log2
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.table import Table

from hardware.target import DISCLAIMER, Workload
from hardware.xylo.chips import MappedNetwork, Xylo
from hardware.xylo.core import simulate
from hardware.xylo.cycles import cycles_per_step, measure_activity
from hardware.xylo.decision import classify_stream
from hardware.xylo.mappings import exact, native
from hardware.xylo.mappings.native import Dynamics
from hardware.xylo.mappings.native_training import (
    NativeTrainConfig,
    choose_threshold,
    make_native_train,
    run_native_batch,
)
from hardware.xylo.network import ChipNetwork
from hardware.xylo.rockpool.referee import Referee
from search.spaces.features import Features, pool
from ttfs_jax.datasets import digits
from ttfs_jax.network import dense
from ttfs_jax.support.command import run_command
from ttfs_jax.training.dense import DenseTrainConfig, make_dense_train

HIDDEN = (60, 40)
SIZES = (16, *HIDDEN, 10)
WINDOW, STEPS, DASH_SYN, DASH_MEM = 16, 24, 4, 5
TAIL = 16  # silent steps in which a sample may still be decided
EXACT_STEPS = (16, 32, 64)
GAPS = (0, 64, 96, 128, 192)


@dataclass(frozen=True)
class XyloDigitsArguments:
    """Compare the mappings of a digit recogniser to the chip."""

    seeds: int = 3
    """Networks of every kind."""
    epochs: int = 80
    """Training through the chip's core."""
    relu_epochs: int = 200
    """Training of the ReLU networks."""
    samples: int = 360
    """Test images at most."""
    json: bool = False
    """Print one JSON line."""


def load_pooled_digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pool the digits: training inputs [1437, 16] in [0, 1] and labels, test inputs and labels."""
    data = digits.load_digits()
    parts = [
        (pool(part.images, Features(4, 4), polarities=1), part.labels)
        for part in (data.train, data.validation, data.test)
    ]
    train = [np.concatenate(columns) for columns in zip(*parts[:2], strict=True)]
    return train[0], train[1], *parts[2]


def on_chip(
    network: ChipNetwork,
    events: np.ndarray,
    labels: np.ndarray,
    *,
    twin: np.ndarray | None = None,
) -> dict[str, float]:
    """Classify in XyloSim and estimate the cost: JSON values.

    A chip `network` runs on `events` [B, T, I] with `labels` [B]; `twin` [B] are another's classes.
    """
    decided, trace = Referee(network).decide(events), simulate(network, events)
    active = measure_activity(events, trace)
    costs = Xylo("xylo-a3").estimate(
        Workload(16, 10, (), mapped=MappedNetwork(network, events.shape[1], active))
    )
    energy, spikes = costs.energy, np.asarray(trace.spikes)
    assert energy is not None and costs.latency is not None
    return {
        "first_spike": float((decided.classes == labels).mean()),
        **({} if twin is None else {"same_as_float": float((decided.classes == twin).mean())}),
        "decided": float((decided.classes >= 0).mean()),
        "step": float(decided.steps.mean()),
        "steps": events.shape[1],
        "neurons": network.sizes[1],
        "spikes": float(spikes.sum((1, 2)).mean()),
        "fire_twice": float((spikes.sum(1) > 1).mean()),
        "cycles_per_step": float(cycles_per_step(network, active)),
        "ms": 1e3 * costs.latency,
        **{f"uj_{name}": 1e6 * getattr(energy, name) for name in ("low", "nominal", "high")},
    }


def measure_exact(seed: int, epochs: int, data: tuple[np.ndarray, ...]) -> dict[str, dict]:
    """Train a ReLU network and copy it to the chip exactly: rows of the table.

    `seed` draws its weights; it trains for `epochs` on `data`, that of `load_pooled_digits`.
    """
    inputs, labels, test, wanted = data
    train = jax.jit(make_dense_train(SIZES, DenseTrainConfig(epochs=epochs)))
    layers, _ = train(jax.random.key(seed), jnp.array(HIDDEN), inputs, labels)
    logits = np.asarray(dense.relu(layers, jnp.asarray(inputs))[0])
    lengths = dense.windows(layers, jnp.asarray(inputs))

    def right(outputs):
        return {"accuracy": float((np.asarray(outputs).argmax(1) == wanted).mean())}

    float_logits = np.asarray(dense.relu(layers, jnp.asarray(test))[0])
    rows = {
        "float ReLU": right(float_logits),
        "float TTFS": right(dense.ttfs(layers, jnp.asarray(test), lengths)[0]),
    }
    for steps in EXACT_STEPS:
        coarse = dense.ttfs(layers, jnp.asarray(test), lengths, bits=log2(steps))[0]
        converted = exact.convert(
            layers, [float(v) for v in lengths], exact.winning_range(logits), steps=steps
        )
        events = exact.encode_exact(test, steps=steps, total_steps=converted.total_steps)
        row = on_chip(converted.network, events, wanted, twin=float_logits.argmax(1))
        rows[f"exact B1, {steps} steps"] = row | right(coarse)
    return rows


def measure_native(seed: int, epochs: int, data: tuple[np.ndarray, ...]) -> dict[str, dict]:
    """Train through the chip's core: rows of the table.

    `seed` draws the weights; the network trains for `epochs` on `data`, that of
    `load_pooled_digits`.
    """
    inputs, labels, test, wanted = data
    dynamics = Dynamics(*map(jnp.float32, (WINDOW, DASH_SYN, DASH_MEM)))
    train = jax.jit(make_native_train(SIZES, NativeTrainConfig(epochs=epochs), steps=STEPS))
    trained = train(jax.random.key(seed), jnp.array(HIDDEN), dynamics, inputs, jnp.asarray(labels))
    run = jax.jit(
        lambda values: run_native_batch(trained.layers, dynamics, values, steps=STEPS).potential
    )
    threshold = jax.jit(choose_threshold)(run(jnp.asarray(inputs)), jnp.asarray(labels))
    network = native.assemble(trained.layers, dynamics, int(threshold))
    encode = jax.vmap(lambda values: native.encode_native(values, dynamics.window, steps=STEPS))
    events = np.asarray(encode(jnp.asarray(test)))
    last = np.asarray(run(jnp.asarray(test)))[:, -1]
    accuracy = {"accuracy": float((last.argmax(1) == wanted).mean())}
    longer = np.pad(events, ((0, 0), (0, TAIL), (0, 0)))
    row = on_chip(network, events, wanted) | accuracy
    for gap in GAPS:
        decided = classify_stream(network, events, gap=gap)
        right = decided.classes == wanted[: len(decided.classes)]
        row[f"streamed_gap_{gap}"] = float(right.mean())
    return {
        f"native, {STEPS} steps": row,
        f"native, {STEPS} and {TAIL} silent steps": on_chip(network, longer, wanted) | accuracy,
    }


def average_seeds(runs: list[dict[str, dict]]) -> dict[str, dict[str, Any]]:
    """Average the rows of several seeds; accuracies with their standard deviation.

    `runs` hold the rows of one seed each.
    """
    table = {}
    for name in runs[0]:
        columns = {key: np.array([run[name][key] for run in runs]) for key in runs[0][name]}
        table[name] = {key: float(values.mean()) for key, values in columns.items()}
        for key in ("accuracy", "first_spike"):
            if key in columns:
                table[name][f"{key}_std"] = float(columns[key].std(ddof=1 if len(runs) > 1 else 0))
                table[name][f"{key}_seeds"] = columns[key].tolist()
    return table


def mappings_table(result: dict[str, Any]) -> Table:
    """Lay out the result."""
    table = Table(title="digits, 4 × 4 inputs, 16-60-40-10, test images; XyloSim")
    names = ("", "potential", "first spike", "neurons", "steps", "cycles/step", "ms", "µJ")
    for name in names:
        table.add_column(name, justify="left" if not name else "right")
    for name, row in result["rows"].items():
        cells = [f"{100 * row['accuracy']:.2f} ± {100 * row['accuracy_std']:.2f}"]
        if "first_spike" in row:
            cells += [
                f"{100 * row['first_spike']:.2f} ± {100 * row['first_spike_std']:.2f}",
                f"{row['neurons']:.0f}",
                f"{row['steps']:.0f}",
                f"{row['cycles_per_step']:,.0f}",
                f"{row['ms']:.2f}",
                f"{row['uj_nominal']:.1f} ({row['uj_low']:.1f} to {row['uj_high']:.1f})",
            ]
        table.add_row(name, *cells)
    table.caption = f"Time and energy at 50 MHz: {DISCLAIMER}."
    return table


def measure_mappings(arguments: XyloDigitsArguments) -> dict[str, Any]:
    """Measure by the `arguments`: JSON values."""
    inputs, labels, test, wanted = load_pooled_digits()
    data = inputs, labels, test[: arguments.samples], wanted[: arguments.samples]
    rows = average_seeds(
        [
            measure_exact(seed, arguments.relu_epochs, data)
            | measure_native(seed, arguments.epochs, data)
            for seed in range(arguments.seeds)
        ]
    )
    return {
        "benchmark": "xylo_digits",
        "cpus": os.cpu_count(),
        "seeds": arguments.seeds,
        "rows": rows,
        "note": DISCLAIMER,
    }


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line; `arguments` replace those of the command line."""
    run_command(
        "benchmarks.xylo_digits", XyloDigitsArguments, measure_mappings, mappings_table, arguments
    )


if __name__ == "__main__":
    main()
