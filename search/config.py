"""The configuration of a run: frozen, saved with the results, one option per field on the CLI."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import tyro

from hardware.targets import TARGETS, target
from hardware.xylo.energy import CLOCKS_MHZ
from hardware.xylo.mappings.native_training import NativeTrainConfig
from ttfs_jax.datasets import DATASETS, Options, dataset_entry, make_options
from ttfs_jax.datasets.base import NO_OPTIONS
from ttfs_jax.population.program import PopulationConfig
from ttfs_jax.support.command import pairs
from ttfs_jax.support.devices import Products
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import (
    SEED,
    Names,
    OneOf,
    above,
    at_least,
    between,
    check_fields,
    optional,
    whole,
)
from ttfs_jax.training.dense import DenseTrainConfig
from ttfs_jax.training.recipe import TrainConfig

Preset = Literal["smoke", "default", "full"]
PRESETS: tuple[Preset, ...] = get_args(Preset)
MAPPINGS = ("native", "exact")


@dataclass(frozen=True)
class StageConfig:
    """Length and learning rate of a stage."""

    epochs: int = 10
    """Passes over the training data; 0 skips this training."""
    learning_rate: float = TrainConfig.learning_rate
    """Peak, after a linear warm-up; falls to zero by a cosine."""

    def __post_init__(self):
        check_fields(self, epochs=whole(0), learning_rate=at_least(0))


@dataclass(frozen=True)
class SharedConfig:
    """Options that all training stages of convolutional networks share."""

    balanced: bool = False
    """Give every class the same weight in the loss, regardless of its number of samples."""
    products: Products = "float32"
    """Precision of factors in matrix products in training; bfloat16 speeds up accelerators."""

    def __post_init__(self):
        check_fields(self)

    def recipe(
        self, stage: StageConfig, batch_size: int, activity_penalty: float = 0.0
    ) -> TrainConfig:
        """Build a recipe from the shared options and those of one `stage`.

        Its steps have `batch_size` images, and `activity_penalty` weighs the activation.
        """
        return TrainConfig(
            epochs=stage.epochs,
            batch_size=batch_size,
            learning_rate=stage.learning_rate,
            activity_penalty=activity_penalty,
            balanced=self.balanced,
            products=self.products,
        )


@dataclass(frozen=True)
class SupernetConfig:
    """Stage 1 of a run: the shared-weight ReLU network."""

    train: StageConfig = StageConfig(epochs=8)
    """Length and learning rate."""
    batch_size: int = 256
    """Images per step, divided among the paths."""
    paths: int = 4
    """Architectures sampled uniformly for every step."""

    def __post_init__(self):
        check_fields(self, batch_size=whole(1), paths=whole(1))


@dataclass(frozen=True)
class EvolutionConfig:
    """Stage 2 of a run: the search, on validation data."""

    algorithm: str = "genetic"
    """`genetic`, `random`, or the name of an evosax algorithm, such as CMA_ES; for several
    objectives `nsga2` or `random`."""
    population: int = 24
    """Architectures per generation."""
    generations: int = 10
    """Generations; population times generations is also the budget of random search."""
    war_weight: float = 0.5
    """The objective `fitness` is this share of WAR plus the rest of UAR."""

    def __post_init__(self):
        check_fields(self, population=whole(4), generations=whole(1), war_weight=between(0, 1))


@dataclass(frozen=True)
class RetrainConfig:
    """Stage 3 of a run: the best candidates from scratch, all in one program."""

    top: int = 4
    """How many of the best of each search are retrained; with several objectives, of its front."""
    train: StageConfig = StageConfig(epochs=10)
    """Training as ReLU twins."""
    fine_tune: StageConfig = StageConfig(epochs=2, learning_rate=3e-4)
    """Fine-tuning in quantised spike times after the conversion."""
    batch_size: int = 128
    """Images per step."""
    activity_penalty: float = 0.1
    """Weight of the mean activation in the loss; a larger one gives fewer spikes."""
    halving: int = 1
    """The best 1/h of the members continue after 1, h, h² … epochs; 1 = all train to the end."""
    population: Annotated[PopulationConfig, pairs(PopulationConfig)] = PopulationConfig()
    """How the members are laid out on the devices, such as `lanes=1 waste=0.05`."""

    def __post_init__(self):
        check_fields(
            self,
            top=whole(1),
            batch_size=whole(1),
            activity_penalty=at_least(0),
            halving=whole(1),
        )


@dataclass(frozen=True)
class LimitsConfig:
    """Limits of one inference: a candidate outside loses to every candidate within."""

    energy_uj: float | None = None
    """Largest energy in µJ (nominal), as `--target` estimates it."""
    latency_ms: float | None = None
    """Longest time to the decision in ms, as `--target` estimates it."""
    synops: float | None = None
    """Most synaptic operations."""
    params: float | None = None
    """Most weights and thresholds."""
    memory_kib: float | None = None
    """Most memory for weights, thresholds and states in KiB."""
    time_steps: float | None = None
    """Most time steps of an inference."""

    def __post_init__(self):
        names = [field.name for field in dataclasses.fields(self)]
        check_fields(self, within="", **dict.fromkeys(names, optional(above(0))))


@dataclass(frozen=True)
class ChipStageConfig:
    """Length and learning rate of training for the chip."""

    epochs: int
    """Passes over the training data."""
    learning_rate: float
    """Peak; falls by a cosine. Through the core, in units of 32 least significant bits of a
    weight."""

    def __post_init__(self):
        check_fields(self, epochs=whole(1), learning_rate=at_least(0))


NATIVE_RATE, RELU_RATE = NativeTrainConfig.learning_rate, DenseTrainConfig.learning_rate


@dataclass(frozen=True)
class XyloConfig:
    """Search and retraining in `--space xylo`, whose candidates run in the chip's integer core."""

    train: ChipStageConfig = ChipStageConfig(3, NATIVE_RATE)
    """Training of every candidate in the search, through the core."""
    retrain: ChipStageConfig = ChipStageConfig(20, NATIVE_RATE)
    """Training of the final front, through the core."""
    relu: ChipStageConfig = ChipStageConfig(10, RELU_RATE)
    """Training of the ReLU network of every exact candidate in the search."""
    relu_retrain: ChipStageConfig = ChipStageConfig(60, RELU_RATE)
    """Training of the ReLU networks of exact candidates on the final front."""
    batch_size: int = 64
    """Samples per step, in all of these."""
    front: int = 12
    """How many networks of the front are retrained at most, evenly along it."""
    mappings: Annotated[tuple[str, ...], tyro.conf.arg(metavar="|".join(MAPPINGS))] = MAPPINGS
    """How candidates get onto the chip: `native` ones are trained through its core, `exact` ones
    are copies of a ReLU network in spike times."""
    clock_mhz: float = 50.0
    """Clock of the chip: 6.25, 12.5, 25 or 50."""
    referee: bool = True
    """Classify the test data in the vendor's simulator too (needs the extra `[xylo]`)."""
    gap: float = 6.0
    """Silent time after a sample, in time constants of the slowest decay, in place of a reset,
    which Xylo-Audio 3 does not have; counted in the energy. 0 where states are reset."""

    def __post_init__(self):
        check_fields(
            self,
            batch_size=whole(1),
            front=whole(1),
            mappings=Names(MAPPINGS),
            clock_mhz=OneOf(CLOCKS_MHZ),
            gap=at_least(0),
        )

    def native(self, stage: ChipStageConfig) -> NativeTrainConfig:
        """Build the recipe of one `stage` of training through the core."""
        return NativeTrainConfig(
            epochs=stage.epochs, learning_rate=stage.learning_rate, batch_size=self.batch_size
        )

    def dense(self, stage: ChipStageConfig) -> DenseTrainConfig:
        """Build the recipe of one `stage` of training ReLU networks."""
        return DenseTrainConfig(
            epochs=stage.epochs, learning_rate=stage.learning_rate, batch_size=self.batch_size
        )


@dataclass(frozen=True)
class Config:
    """Search, retrain and prove a time-to-first-spike network.

    A ReLU supernet is trained, architectures are evolved with its weights, the best are
    retrained, converted to spike times exactly, fine-tuned, and measured once on test data.
    """

    data: Annotated[str, tyro.conf.arg(metavar="|".join(DATASETS))] = "eye"
    """Data set, see docs/data.md; it has options of its own, which `--data NAME --help` lists."""
    preset: Preset = "default"
    """Budget of search and training; every other option can still be set separately."""
    space: str = "conv"
    """Name of the search space; `xylo` holds networks that fit the chip."""
    target: Annotated[str, tyro.conf.arg(metavar="|".join(TARGETS))] = "cmos45"
    """Hardware whose energy and latency are estimated; in `--space xylo` a chip of that family,
    whose limits hold (default: xylo-a3)."""
    objectives: tuple[str, ...] = ("fitness",)
    """What the search optimises: `fitness` (not in `xylo`), or one or more of war, uar, energy,
    latency, time_steps, synops, params, memory. Several are searched by NSGA-II (default in
    `xylo`: war uar energy latency)."""
    seed: int = 0
    """Seed of everything random except the split, 0 to 2^32 - 1."""
    split_seed: int = 0
    """Seed of the train / validation / test split, 0 to 2^32 - 1."""
    data_options: Annotated[Options, tyro.conf.arg(name="")] = NO_OPTIONS
    """Options of the data set, of its own class; by default, its defaults."""
    limits: Annotated[LimitsConfig, pairs(LimitsConfig)] = LimitsConfig()
    """Limits of one inference, such as `energy-uj=3 params=10000`: a candidate outside loses to
    every candidate within."""
    train: SharedConfig = SharedConfig()
    """Options that all training stages of convolutional networks share."""
    supernet: SupernetConfig = SupernetConfig()
    """Stage 1 of a run: the shared-weight ReLU network."""
    evolution: EvolutionConfig = EvolutionConfig()
    """Stage 2 of a run: the search with inherited weights, on validation data."""
    retrain: RetrainConfig = RetrainConfig()
    """Stage 3 of a run: the best candidates from scratch, all in one program."""
    xylo: XyloConfig = XyloConfig()
    """Search and retraining in `--space xylo`, whose candidates run in the chip's integer core."""

    def __post_init__(self):
        check_fields(self, objectives=Names(), seed=SEED, split_seed=SEED)
        kind = dataset_entry(self.data).options
        if self.data_options == NO_OPTIONS:
            object.__setattr__(self, "data_options", make_options(self.data))
        if type(self.data_options) is not kind:
            raise InputError(
                f"data_options of the data set {self.data} must be a {kind.__name__}: take the "
                f"config from search.preset({self.data!r}, ...)"
            )
        target(self.target)  # raises for an unknown one
