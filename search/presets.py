"""The defaults of a run by data set, preset and space."""

import dataclasses
from functools import partial
from typing import Any

from hardware.xylo.mappings.native_training import NativeTrainConfig
from search.budget import Budget, Size, budget_of, data_size
from search.config import Config, EvolutionConfig, RetrainConfig, SupernetConfig, XyloConfig
from ttfs_jax import datasets
from ttfs_jax.datasets import EyeConfig, FoldConfig, Options
from ttfs_jax.population.program import PopulationConfig
from ttfs_jax.training.dense import DenseTrainConfig
from ttfs_jax.training.recipe import TrainConfig

# What differs from data set to data set and preset to preset. Epochs of supernet, retraining and
# fine-tuning; population, generations, top.
SCHEDULES = {
    ("eye", "smoke"): (4, 4, 1, 8, 3, 2),
    ("eye", "default"): (16, 12, 3, 24, 10, 4),
    ("eye", "full"): (60, 60, 12, 64, 30, 8),
    ("see", "smoke"): (2, 2, 1, 8, 3, 2),
    ("see", "default"): (16, 16, 4, 24, 10, 4),
    ("see", "full"): (60, 60, 12, 64, 30, 8),
    ("digits", "smoke"): (6, 6, 2, 8, 3, 2),
    ("digits", "default"): (60, 60, 15, 24, 10, 4),
    ("digits", "full"): (200, 200, 40, 64, 30, 8),
    ("fashion-mnist", "smoke"): (1, 1, 1, 8, 3, 2),
    ("fashion-mnist", "default"): (8, 11, 2, 20, 10, 1),
    ("fashion-mnist", "full"): (20, 25, 6, 64, 15, 1),
}
# Batch size of the supernet and of retraining, activity penalty.
BATCHES = {
    "eye": (256, 64, 0.1),
    "see": (256, 64, 0.1),
    "digits": (128, 64, 0.1),
    "fashion-mnist": (256, 128, 0.25),
}
# Spaces other than `conv`, and learning rates of retraining other than the usual one.
OWN_SPACES = {
    ("eye", "smoke"): "conv-small",
    ("eye", "default"): "conv-small",
    ("fashion-mnist", "full"): "conv-deep",
}
LEARNING_RATES = {("fashion-mnist", "full"): 1e-2}
WASTE = {"fashion-mnist": 0.05}  # of masked channels, but in `full`
# Options of data sets that differ from their own defaults.
OPTIONS = {
    ("eye", "smoke"): {"eye": EyeConfig(size=24, pool=1, subjects=24, draws=2, test_draws=4)},
    ("see", "smoke"): {"eye": FoldConfig(size=24, pool=1, draws=2, test_draws=4)},
}

# Generations and population of `--space xylo`; epochs of search and retraining, of ReLU twins.
XYLO_SCHEDULES = {
    "smoke": (3, 8, 1, 2, 2, 4),
    "default": (10, 16, 3, 20, 10, 60),
    "full": (20, 48, 6, 60, 20, 120),
}
# A pass over so few samples takes so many times as many epochs.
XYLO_EPOCHS = {"digits": 6}


def _of_table(data: str, name: str) -> Budget:
    """Read the budget of a data set that has rows in the tables above."""
    batches = BATCHES[data]
    rate = LEARNING_RATES.get((data, name), TrainConfig.learning_rate)
    return Budget(
        *SCHEDULES[data, name],
        *batches,
        space=OWN_SPACES.get((data, name), Config.space),
        learning_rate=rate,
        waste=0.05 if name == "full" else WASTE.get(data, 1.0),
        chip_passes=XYLO_EPOCHS.get(data, 1),
    )


def _on_chip(config: Config, budget: Budget) -> Config:
    """Change the defaults of a preset to those of `--space xylo`."""
    generations, population, *epochs = XYLO_SCHEDULES[config.preset]
    train, retrain, relu, relu_retrain = (budget.chip_passes * count for count in epochs)
    native, dense = (
        partial(kind, batch_size=min(kind.batch_size, budget.largest_batch))
        for kind in (NativeTrainConfig, DenseTrainConfig)
    )
    return dataclasses.replace(
        config,
        space="xylo",
        target="xylo-a3",
        objectives="war,uar,energy,latency",
        evolution=EvolutionConfig("nsga2", population=population, generations=generations),
        xylo=XyloConfig(
            train=native(epochs=train),
            retrain=native(epochs=retrain),
            relu=dense(epochs=relu),
            relu_retrain=dense(epochs=relu_retrain),
        ),
    )


def _convolutional(data: str, name: str, options: Options, budget: Budget) -> Config:
    """Return the defaults of a preset for a data set, in a space of convolutional networks."""
    train = TrainConfig(
        epochs=budget.epochs,
        batch_size=budget.batch,
        learning_rate=budget.learning_rate,
        activity_penalty=budget.penalty,
    )
    return Config(
        data=data,
        preset=name,
        space=budget.space,
        data_options=options,
        supernet=SupernetConfig(
            train=TrainConfig(epochs=budget.supernet_epochs, batch_size=budget.supernet_batch)
        ),
        evolution=EvolutionConfig(population=budget.population, generations=budget.generations),
        retrain=RetrainConfig(
            top=budget.top,
            # Short runs spend more on compiling a program than it would save.
            population=PopulationConfig(lanes=1 if name == "smoke" else None, waste=budget.waste),
            train=train,
            fine_tune=dataclasses.replace(train, learning_rate=3e-4, epochs=budget.fine_epochs),
        ),
    )


# Spaces whose presets differ from those of convolutional networks.
OF_SPACES = {"xylo": _on_chip}


def has_rows(config: Config) -> bool:
    """Tell whether the tables above have the budget of a config's data set and preset."""
    return (config.data, config.preset) in SCHEDULES


def data_options(data: str, name: str, **values: Any) -> Options:
    """Return the options of a data set in a preset; `values` by name come first.

    Raises: InputError for an unknown data set or option, and for one out of its range.
    """
    return datasets.make_options(data, **(OPTIONS.get((data, name), {}) | values))


def preset(
    data: str,
    name: str,
    *,
    space: str | None = None,
    objectives: str | None = None,
    options: Options | None = None,
    size: Size | None = None,
    **values: Any,
) -> Config:
    """Return the defaults of a preset for a data set.

    They are those of a `space`, if it has its own, and for `objectives` other than its usual ones:
    several take an algorithm for several. `options` are those of the data set; left out, they are
    made of the `values` by name: `preset("npz", "smoke", data_dir=Path("mine.npz"))`. The budgets
    of a data set without a row in this module's tables follow from its `size`; left out, the data
    are read to find it.

    Raises: InputError for an unknown data set or option, or data that cannot be read.

    Examples:
        >>> import search
        >>> config = search.preset("digits", "smoke")
        >>> config.data, config.space, config.evolution.algorithm
        ('digits', 'conv', 'genetic')
        >>> search.preset("digits", "smoke", objectives="war,energy").evolution.algorithm
        'nsga2'
    """
    options = data_options(data, name, **values) if options is None else options
    if (data, name) in SCHEDULES:
        budget = _of_table(data, name)
    else:
        budget = budget_of(size or data_size(datasets.load_dataset(data, options)), name)
    config = _convolutional(data, name, options, budget)
    if space in OF_SPACES:
        config = OF_SPACES[space](config, budget)
    elif space is not None:
        config = dataclasses.replace(config, space=space)
    if objectives is None:
        return config
    algorithm = "nsga2" if "," in objectives else EvolutionConfig.algorithm
    evolution = dataclasses.replace(config.evolution, algorithm=algorithm)
    return dataclasses.replace(config, objectives=objectives, evolution=evolution)
