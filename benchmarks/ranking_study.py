"""Train a sample of architectures to the end, and score them by several predictors.

One row per architecture; see `benchmarks.ranking` for how they are analysed. The truth is measured
on one half of the validation images and predictors on the other: they have no noise in common.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from search.config import Config, EvolutionConfig, RetrainConfig, StageConfig, SupernetConfig
from search.loop import algorithms
from search.loop.exploration import Search
from search.loop.progress import Reporter
from search.loop.run_directory import RunDirectory
from search.retraining.converted import both_recipes
from search.retraining.population import Retraining
from search.spaces.convolutional import Space
from search.spaces.registry import make_space
from search.strategies.inherited.scores import CALIBRATION_IMAGES, Scores, make_evaluator
from search.strategies.inherited.strategy import train_supernet
from ttfs_jax import datasets
from ttfs_jax.datasets import Dataset, Split
from ttfs_jax.network.counts import count
from ttfs_jax.network.masked import Network, Variables
from ttfs_jax.population.program import PopulationConfig
from ttfs_jax.tasks import Measured
from ttfs_jax.training.shapes import useful_multiply_adds


@dataclass(frozen=True)
class StudyConfig:
    """The size of the study."""

    architectures: int = 200
    """Architectures, sampled uniformly, each once."""
    repeated: int = 40
    """How many of them are trained from three seeds."""
    seed: int = 0
    """Seed of everything random."""


SEEDS = 3


class Schedule(NamedTuple):
    """Training length, and part of a data set that is used."""

    epochs: int
    batch_size: int
    images: int | None = None
    """First training images; None: all."""


SCHEDULES = {
    "fashion-mnist": Schedule(epochs=4, batch_size=128, images=12_000),
    "eye": Schedule(epochs=6, batch_size=64),
}


def run_config(data: str, study: StudyConfig) -> Config:
    """Return how the networks of a data set are trained; shorter than for the best result.

    `data` is its name, one of `SCHEDULES`; `study` says how many architectures and seeds.
    """
    schedule = SCHEDULES[data]
    return Config(
        data=data,
        space="conv-wide",
        seed=study.seed,
        data_options=datasets.make_options(data),
        supernet=SupernetConfig(train=StageConfig(epochs=40), batch_size=256, paths=4),
        evolution=EvolutionConfig(population=study.architectures, generations=1),
        retrain=RetrainConfig(
            top=study.architectures,
            train=StageConfig(schedule.epochs, learning_rate=4e-3),
            fine_tune=StageConfig(epochs=1, learning_rate=5e-4),
            batch_size=schedule.batch_size,
            activity_penalty=0.1,
            population=PopulationConfig(lanes=1, waste=0.15),
        ),
    )


def shortened(data: Dataset, images: int) -> Dataset:
    """Keep the first training `images` of the `data` only; they come shuffled."""
    train = Split(data.train.images[:images], data.train.labels[:images])
    return dataclasses.replace(data, train=train)


def sample(space: Space, count: int, seed: int) -> np.ndarray:
    """Draw distinct genotypes of the `space` uniformly, by `seed`: [count, G]."""
    genotypes = np.asarray(space.sample(jax.random.key(seed), 2 * count)).tolist()
    distinct = np.asarray(list(dict.fromkeys(map(tuple, genotypes))), np.int32)
    return distinct[:count]


def halves(split: Split, seed: int) -> dict[str, Split]:
    """Divide a split into halves "truth" and "predictors", about equal, at random by `seed`.

    They share no person, or no sequence if there is one person, where such columns are known;
    else no image.
    """
    groups = np.arange(len(split.labels))
    for column in ("subject", "sequence"):
        column_values = split.columns.get(column)
        if column_values is not None and len(np.unique(column_values)) > 1:
            groups = column_values
            break
    names, sizes = np.unique(groups, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    in_second, filled = np.zeros(len(names), bool), np.zeros(2, int)
    for number in order.tolist():
        smaller = int(filled[1] < filled[0])
        in_second[number] = bool(smaller)
        filled[smaller] += sizes[number]
    second = np.isin(groups, names[in_second])

    def part(rows):
        columns = {name: values[rows] for name, values in split.columns.items()}
        return Split(split.images[rows], split.labels[rows], columns)

    return {"truth": part(~second), "predictors": part(second)}


class Study:
    """The steps of one study, each resumed from the run directory."""

    def __init__(self, config: Config, study: StudyConfig, data: Dataset, folder: Path):
        self.study, self.config = study, config
        images = SCHEDULES[config.data].images
        self.data = shortened(data, images) if images else data
        self.space = make_space(config.space, data.image_shape, len(data.classes))
        self.genotypes = sample(self.space, study.architectures, study.seed)
        self.directory = RunDirectory.resume_or_create(folder, config)
        self.halves = halves(self.data.validation, study.seed)

    def run(self, console: Console) -> dict[str, np.ndarray]:
        """Do all steps and return the table's columns, each [architectures].

        The `console` shows the progress.
        """
        network = Network(self.space.spec)
        with Reporter(console) as reporter:
            algorithm = algorithms.make("random", self.space, population=4)
            search = Search(self.config, self.data, self.space, algorithm, self.directory, reporter)
            with self.directory.stage("supernet"):
                shared = train_supernet(search, network)
            with self.directory.stage("inherited"):
                relu, ttfs = (self._inherited(network, shared, code) for code in ("relu", "ttfs"))
            every = np.arange(len(self.genotypes))
            with self.directory.stage("short"):
                short, _ = self._trained("short", every, 1, reporter)
            repeated = every[: self.study.repeated]
            members = np.concatenate([every, *[repeated] * (SEEDS - 1)])
            with self.directory.stage("full"):
                full, scored = self._trained(
                    "full", members, self.config.retrain.train.epochs, reporter
                )
        seeds = np.full((SEEDS, len(every)), np.nan)
        seeds[0] = full["truth"][: len(every)]
        for n in range(1, SEEDS):
            start = len(every) + (n - 1) * len(repeated)
            seeds[n, repeated] = full["truth"][start : start + len(repeated)]
        described = [self.space.describe(genotype) for genotype in self.genotypes]
        return {
            **{g.name: np.asarray([str(d[g.name]) for d in described]) for g in self.space.genes},
            **{f"full_{n}": seeds[n] for n in range(SEEDS)},
            "full_0_elsewhere": np.asarray(full["predictors"])[: len(every)],
            "truth_images": np.full(len(every), "validation, first half"),
            "predictor_images": np.full(len(every), "validation, second half"),
            "inherited_relu": np.asarray(relu.war),
            "inherited_ttfs": np.asarray(ttfs.war),
            "short_training": np.asarray(short["predictors"]),
            "params": np.asarray(ttfs.params),
            "synops": np.asarray(ttfs.synops),
            "multiply_adds": np.asarray(
                useful_multiply_adds(
                    self.space.spec, jax.vmap(self.space.decode)(jnp.asarray(self.genotypes))
                )
            ),
            "trained_synops": np.asarray(scored)[: len(every)],
            "random": np.random.default_rng(self.study.seed).random(len(every)),
        }

    def _inherited(self, network: Network, shared: Variables, code) -> Scores:
        own = self.halves["predictors"]
        score = make_evaluator(
            network,
            self.space,
            population=self.config.evolution.population,
            calibration=self.data.train.images[:CALIBRATION_IMAGES],
            images=own.images,
            labels=own.labels,
            code=code,
        )
        return score(shared, self.genotypes)

    def _trained(self, name: str, members: np.ndarray, epochs: int, reporter: Reporter):
        """Train from scratch; return accuracy by half, and SynOps, of the TTFS networks."""
        recipes = both_recipes(self.config)
        train = dataclasses.replace(recipes.train, epochs=epochs)
        population = Retraining(
            self.space,
            self.genotypes[members],
            self.data,
            self.study.seed,
            layout=self.config.retrain.population,
        )
        stacks, everyone = population.initial(), np.arange(len(members))
        with reporter.bar(name, epochs, unit="epochs") as bar:
            stacks, _ = population.train(
                name, stacks, train, code="relu", directory=self.directory, bar=bar
            )
        stacks = population.convert(stacks, everyone)
        tuned = recipes.fine_tune if name == "full" else dataclasses.replace(train, epochs=0)
        with reporter.bar(f"{name}, fine", tuned.epochs, unit="epochs") as bar:
            if tuned.epochs:
                stacks, _ = population.train(
                    f"{name}_fine", stacks, tuned, code="ttfs", directory=self.directory, bar=bar
                )
        measured = {
            half: population.measure(stacks, everyone, own.images, own.labels, code="ttfs")
            for half, own in self.halves.items()
        }
        accuracies = {half: one.war for half, one in measured.items()}
        return accuracies, self._synops(population, measured["truth"])

    def _synops(self, population: Retraining, measured: Measured) -> np.ndarray:
        spec = self.space.spec
        counts = jax.jit(jax.vmap(lambda a, m: count(spec, a, m).synops))
        return np.asarray(counts(population.architectures, measured))


def study(data: str, config: StudyConfig, folder: Path, console: Console) -> dict[str, np.ndarray]:
    """Run or continue the study of one data set, named by `data`, in a folder.

    `config` gives its size; the `console` shows the progress.
    """
    run = run_config(data, config)
    loaded = datasets.load_dataset(run.data, run.data_options, split_seed=run.split_seed)
    return Study(run, config, loaded, folder).run(console)
