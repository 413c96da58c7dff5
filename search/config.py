"""The configuration of a run: frozen, saved beside the results, one option each on the CLI."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from hardware.targets import TARGETS, target
from hardware.xylo.energy import CLOCKS_MHZ
from hardware.xylo.mappings.native_training import NativeTrainConfig
from ttfs_jax.datasets import DATASETS, Options, dataset_entry, make_options
from ttfs_jax.datasets.base import NO_OPTIONS
from ttfs_jax.population.program import PopulationConfig
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import (
    SEED,
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

PRESETS = ("smoke", "default", "full")
SPIKING = ("quantised", "grow_windows")  # options of training in spike times


@dataclass(frozen=True)
class HalvingConfig:
    """When members of a population stop early."""

    factor: int = 1
    """One in so many members goes on at every rung; 1 = all train to the end."""
    first: int = 1
    """Epochs before the first rung; every later rung is `factor` times as far."""

    def __post_init__(self):
        check_fields(self, factor=whole(1), first=whole(1))


def only_defaults(train: TrainConfig, names: tuple[str, ...], *, why: str) -> None:
    """Refuse options of `train`, by their `names`, that would have no effect.

    `why` ends the message.

    Raises: RangeError.
    """
    for name in names:
        default = getattr(TrainConfig, name)
        check_fields(train, within="train.", **{name: OneOf((default,), f" {why}")})


@dataclass(frozen=True)
class SupernetConfig:
    """Stage 1 of a run: the shared-weight ReLU network."""

    train: TrainConfig = TrainConfig(epochs=8, batch_size=256)
    """Its training; a batch is shared out among the paths."""
    paths: int = 4
    """Architectures sampled uniformly for every step."""

    def __post_init__(self):
        check_fields(self, paths=whole(1))
        why = "in the supernet, which has no such option"
        only_defaults(self.train, ("activity_penalty",), why=why)
        only_defaults(self.train, SPIKING, why="in the supernet, a ReLU network")


@dataclass(frozen=True)
class EvolutionConfig:
    """Stage 2 of a run: the search with inherited weights, on validation data."""

    algorithm: str = "genetic"
    """`genetic`, `random`, or the name of an evosax algorithm, such as CMA_ES; for several
    objectives `nsga2` or `random`."""
    population: int = 24
    """Architectures per generation."""
    generations: int = 10
    """Generations; population times generations is also the budget of random search."""
    calibration_images: int = 512
    """Training images that norm statistics and windows are estimated on, per candidate."""
    validation_images: int = 2500
    """Validation images (at most) that a candidate is scored on."""
    war_weight: float = 0.5
    """Fitness is this share of WAR plus the rest of UAR."""
    synops_penalty: float = 0.0
    """Fitness lost for every million synaptic operations per image."""
    window_margin: float = 1.1
    """Window length over the largest activation seen in calibration."""

    def __post_init__(self):
        check_fields(
            self,
            population=whole(4),
            generations=whole(1),
            calibration_images=whole(1),
            validation_images=whole(1),
            war_weight=between(0, 1),
            synops_penalty=at_least(0),
            window_margin=above(0),
        )


@dataclass(frozen=True)
class RetrainConfig:
    """Stage 3 of a run: the best candidates from scratch, all in one program."""

    top: int = 4
    """How many of the best of each search are retrained; of several objectives, of its front."""
    train: TrainConfig = TrainConfig(epochs=10, activity_penalty=0.1)
    """Training as ReLU twins."""
    fine_tune: TrainConfig = TrainConfig(epochs=2, learning_rate=3e-4, activity_penalty=0.1)
    """Fine-tuning in quantised spike times after the conversion."""
    identity_margin: float = 1.5
    """Window margin of the equality proof; below 1 even the calibration images have
    clipped neurons."""
    window_margin: float = 1.0
    """Window margin of fine-tuning; shorter windows have finer time steps."""
    calibration_images: int = 4096
    """Training images that norm statistics and windows are estimated on."""
    halving: HalvingConfig = HalvingConfig()
    """Lets members that are behind on validation data stop early."""
    population: PopulationConfig = PopulationConfig()
    """How the members are laid out on the devices."""

    def __post_init__(self):
        check_fields(
            self,
            top=whole(1),
            identity_margin=at_least(1),
            window_margin=above(0),
            calibration_images=whole(1),
        )
        only_defaults(self.train, SPIKING, why="in ReLU twins: see --retrain.fine-tune")


@dataclass(frozen=True)
class LimitsConfig:
    """Limits of one inference: what is beyond one of them loses to all that is within."""

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
class XyloConfig:
    """Search and retraining in `--space xylo`, whose candidates run in the chip's integer core."""

    train: NativeTrainConfig = NativeTrainConfig(epochs=3)
    """Training of every candidate in the search, through the core."""
    retrain: NativeTrainConfig = NativeTrainConfig(epochs=20)
    """Training of the front that the search ends with."""
    relu: DenseTrainConfig = DenseTrainConfig(epochs=10)
    """Training of the ReLU network of every exact candidate in the search."""
    relu_retrain: DenseTrainConfig = DenseTrainConfig(epochs=60)
    """Training of those on the front that the search ends with."""
    front: int = 12
    """How many networks of the front are retrained at most, evenly along it."""
    mappings: Literal["native", "exact", "native,exact"] = "native,exact"
    """How candidates get onto the chip: trained through its core, or as an exact copy of a ReLU
    network in spike times."""
    clock_mhz: float = 50.0
    """Clock of the chip: 6.25, 12.5, 25 or 50."""
    referee: bool = True
    """Classify the test data in the vendor's simulator too (needs the extra `[xylo]`)."""
    gap: float = 6.0
    """Silent time after a sample, in time constants of the slowest decay, in place of a reset that
    Xylo-Audio 3 does not offer; counted in the energy. 0 where states are reset."""

    def __post_init__(self):
        check_fields(
            self,
            front=whole(1),
            clock_mhz=OneOf(CLOCKS_MHZ),
            gap=at_least(0),
        )


@dataclass(frozen=True)
class Config:
    """Search, retrain and prove a time-to-first-spike network.

    A ReLU supernet is trained, architectures are evolved with its weights, the best are
    retrained, converted to spike times exactly, fine-tuned, and measured once on test data.
    """

    data: Annotated[str, tyro.conf.arg(metavar="|".join(DATASETS))] = "eye"
    """Data set, see docs/data.md; it has options of its own, which `--data NAME --help` lists."""
    preset: Literal["smoke", "default", "full"] = "default"
    """How long to search and train; every other option can still be set on its own."""
    space: str = "conv"
    """Name of the search space; `xylo` holds networks that fit the chip."""
    target: Annotated[str, tyro.conf.arg(metavar="|".join(TARGETS))] = "cmos45"
    """Hardware whose energy and latency are estimated; in `--space xylo` a chip of that family,
    whose limits hold (default: xylo-a3)."""
    objectives: str = "fitness"
    """What the search improves: `fitness` (not in `xylo`), or one or more of war, uar, energy,
    latency, time_steps, synops, params, memory, with commas. Several are weighed up by NSGA-II
    (default in `xylo`: war,uar,energy,latency)."""
    seed: int = 0
    """Seed of everything random but the split, 0 to 2^32 - 1."""
    split_seed: int = 0
    """Seed of the train / validation / test split, 0 to 2^32 - 1."""
    data_options: Annotated[Options, tyro.conf.arg(name="")] = NO_OPTIONS
    """Options of the data set, of its own class; left out, those it has by default."""
    supernet: SupernetConfig = field(default_factory=SupernetConfig)
    """Stage 1 of a run: the shared-weight ReLU network."""
    evolution: EvolutionConfig = field(default_factory=EvolutionConfig)
    """Stage 2 of a run: the search with inherited weights, on validation data."""
    retrain: RetrainConfig = field(default_factory=RetrainConfig)
    """Stage 3 of a run: the best candidates from scratch, all in one program."""
    limits: LimitsConfig = LimitsConfig()
    """Limits of one inference: what is beyond one of them loses to all that is within."""
    xylo: XyloConfig = XyloConfig()
    """Search and retraining in `--space xylo`, whose candidates run in the chip's integer core."""

    def __post_init__(self):
        check_fields(self, seed=SEED, split_seed=SEED)
        kind = dataset_entry(self.data).options
        if self.data_options == NO_OPTIONS:
            object.__setattr__(self, "data_options", make_options(self.data))
        if type(self.data_options) is not kind:
            raise InputError(
                f"data_options of the data set {self.data} must be a {kind.__name__}: take the "
                f"config from search.preset({self.data!r}, ...)"
            )
        target(self.target)  # raises for an unknown one
