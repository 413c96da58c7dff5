"""How well each spike-time solver trains: `python -m benchmarks.solver_training --json`.

Every network has one hidden layer and gets the same input spikes. Its last epoch is scored; the
learning rates in `solver_models` were chosen on validation samples.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.peers.solver_models import MODELS, Recipe, initialise_model, make_epoch, run_model
from ttfs_jax.datasets import fashion_mnist, yin_yang
from ttfs_jax.population.program import map_members
from ttfs_jax.spike_time import NO_SPIKE, is_spike
from ttfs_jax.support.command import run_command
from ttfs_jax.support.errors import unknown


@dataclass(frozen=True)
class SolverTrainingArguments:
    """Train networks of one hidden layer with each spike-time solver."""

    data: str = "yin-yang"
    """Data set: yin-yang or fashion-mnist."""
    models: tuple[str, ...] = tuple(MODELS)
    """Solvers to train with."""
    epochs: int = 300
    """Passes over the training data."""
    seeds: int = 5
    """Networks of each model, trained in parallel."""
    data_dir: Path | None = None
    """Folder of the Fashion-MNIST files."""
    json: bool = False
    """Print one JSON line."""


class SpikeSamples(NamedTuple):
    """Input spikes with their classes, on the device."""

    times: jax.Array  # [N, I]
    labels: jax.Array  # [N]


class SpikeTask(NamedTuple):
    """A classification task in spike times."""

    name: str
    train: SpikeSamples
    validation: SpikeSamples
    test: SpikeSamples
    sizes: tuple[int, int, int]
    recipe: Recipe


def load_task(name: str, data_dir: Path | None) -> SpikeTask:
    """Load a task by `name`; `data_dir` holds the files of Fashion-MNIST.

    Raises: InputError for an unknown name, and missing or damaged files.
    """
    if name not in TASKS:
        raise unknown("data set", name, TASKS)
    return TASKS[name](data_dir)


def _yin_yang(_: Path | None) -> SpikeTask:
    points = yin_yang.load_yin_yang()
    parts = [on_device(yin_yang.to_times(part.samples), part.labels) for part in points]
    recipe = Recipe(chunk=len(parts[0].labels))  # tiny networks: all at once
    return SpikeTask("yin-yang", *parts, sizes=(4, 30, 3), recipe=recipe)


def _fashion_mnist(data_dir: Path | None) -> SpikeTask:
    data = fashion_mnist.load_fashion_mnist(fashion_mnist.FashionMnistOptions(data_dir))
    splits = (data.train, data.validation, data.test)
    parts = [on_device(image_times(part.images), part.labels) for part in splits]
    recipe = Recipe(rate=0.03, drive=3.0, temperature=0.05)
    return SpikeTask("fashion-mnist", *parts, sizes=(784, 400, 10), recipe=recipe)


TASKS = {"yin-yang": _yin_yang, "fashion-mnist": _fashion_mnist}


def image_times(images: np.ndarray) -> np.ndarray:
    """Encode images [N, H, W, C] as spike times [N, H W C]: bright is early, black is silent."""
    times = yin_yang.to_times(1.0 - images.reshape(len(images), -1))
    return np.where(times < yin_yang.LATE, times, NO_SPIKE)


def on_device(times: np.ndarray, labels: np.ndarray) -> SpikeSamples:
    """Put samples on the device: times [N, I], labels [N]."""
    return SpikeSamples(jnp.asarray(times, jnp.float32), jnp.asarray(labels, jnp.int32))


def train_model(name: str, task: SpikeTask, *, epochs: int, seeds: int) -> dict:
    """Train one model with all seeds and score the last epoch: JSON values.

    `name` is one of `MODELS`; it learns the `task` for `epochs`, from `seeds` initial networks.
    """
    started = time.perf_counter()
    model = MODELS[name]
    recipe = replace(task.recipe, epochs=epochs)
    init, epoch = make_epoch(model, recipe, samples=len(task.train.labels))
    keys = jax.random.split(jax.random.key(0), seeds)

    @jax.jit
    def start(keys):
        return jax.vmap(lambda key: init(initialise_model(model, recipe, key, task.sizes)))(keys)

    @jax.jit
    def advance(states, keys):
        def one(state, key):
            return epoch(state, *task.train, key)

        return map_members(one, states, keys, lanes=recipe.chunk)

    @jax.jit
    def score(networks):
        def one(network):
            rows = {}
            for part in ("validation", "test"):
                times, labels = getattr(task, part)
                reading = run_model(model, network, times, recipe)
                rows[f"{part}_accuracy"] = (reading.logits.argmax(-1) == labels).mean()
            return rows | {"silent_hidden": 1.0 - is_spike(reading.hidden).mean()}

        return map_members(one, networks, lanes=recipe.chunk)

    states = start(keys)
    for _ in track(range(epochs), name, console=Console(stderr=True), transient=True):
        states, _ = advance(states, keys)
    table = {key: np.asarray(value) for key, value in score(states.network).items()}
    network = jax.tree.leaves(states.network)
    return {key: float(value.mean()) for key, value in table.items()} | {
        "test_accuracy_std": float(table["test_accuracy"].std(ddof=1)) if seeds > 1 else 0.0,
        "seeds": [{key: float(table[key][seed]) for key in table} for seed in range(seeds)],
        "seconds": time.perf_counter() - started,
        "parameters": sum(leaf[0].size for leaf in network),
    }


def train_models(arguments: SolverTrainingArguments) -> dict:
    """Train all models that the `arguments` name: JSON values.

    Raises: InputError for an unknown name.
    """
    for name in arguments.models:
        if name not in MODELS:
            raise unknown("model", name, MODELS)
    task = load_task(arguments.data, arguments.data_dir)
    rows = {
        name: train_model(name, task, epochs=arguments.epochs, seeds=arguments.seeds)
        for name in arguments.models
    }
    return {
        "benchmark": "solver_training",
        "dataset": task.name,
        "epochs": arguments.epochs,
        "seeds": arguments.seeds,
        "models": rows,
    }


def accuracy_table(result: dict) -> Table:
    """Lay out the result."""
    table = Table("model", "test %", "valid. %", "silent", "params", "s")
    table.title = f"{result['dataset']}, {result['epochs']} epochs, mean of {result['seeds']} seeds"
    table.caption = "silent: share of hidden neurons on test samples"
    for name, row in result["models"].items():
        table.add_row(
            name,
            f"{100 * row['test_accuracy']:.2f} ± {100 * row['test_accuracy_std']:.2f}",
            f"{100 * row['validation_accuracy']:.2f}",
            f"{row['silent_hidden']:.3f}",
            f"{row['parameters']:,}",
            f"{row['seconds']:.1f}",
        )
    return table


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line; `arguments` replace those of the command line."""
    run_command(
        "benchmarks.solver_training",
        SolverTrainingArguments,
        train_models,
        accuracy_table,
        arguments,
    )


if __name__ == "__main__":
    main()
