"""The defaults of a run by data set, preset and space."""

import dataclasses
from typing import Any, cast

from search.budget import Budget, Size, budget_of, data_size
from search.config import (
    PRESETS,
    Config,
    EvolutionConfig,
    Preset,
    RetrainConfig,
    StageConfig,
    SupernetConfig,
    XyloConfig,
)
from search.preset_tables import CHIP_SCHEDULES, SCHEDULES, TRAITS, WASTE_OF_FULL
from ttfs_jax import datasets
from ttfs_jax.datasets import EyeConfig, FoldConfig, Options
from ttfs_jax.population.program import PopulationConfig
from ttfs_jax.support.errors import unknown

FINE_RATE = 3e-4  # peak of fine-tuning: a tenth of the usual one, for a trained network
# Options of data sets that differ from their own defaults: small frames, and few clips.
OPTIONS = {
    ("eye", "smoke"): {"eye": EyeConfig(size=24, pool=1, subjects=24, draws=2, test_draws=4)},
    ("see", "smoke"): {"eye": FoldConfig(size=24, pool=1, draws=2, test_draws=4)},
}


def _of_table(data: str, name: str) -> Budget:
    """Read the budget of a data set with rows in the tables."""
    schedule, traits = SCHEDULES[data, name], TRAITS[data]
    waste = WASTE_OF_FULL if name == "full" else traits.waste
    return Budget(schedule, traits._replace(waste=waste))


def _on_chip(config: Config, budget: Budget) -> Config:
    """Change the defaults of a preset to those of `--space xylo`."""
    chip, times, usual = CHIP_SCHEDULES[config.preset], budget.traits.chip_passes, XyloConfig()
    return dataclasses.replace(
        config,
        space="xylo",
        target="xylo-a3",
        objectives=("war", "uar", "energy", "latency"),
        evolution=EvolutionConfig(
            "nsga2", population=chip.population, generations=chip.generations
        ),
        xylo=XyloConfig(
            train=dataclasses.replace(usual.train, epochs=times * chip.train_epochs),
            retrain=dataclasses.replace(usual.retrain, epochs=times * chip.retrain_epochs),
            relu=dataclasses.replace(usual.relu, epochs=times * chip.relu_epochs),
            relu_retrain=dataclasses.replace(
                usual.relu_retrain, epochs=times * chip.relu_retrain_epochs
            ),
            batch_size=min(usual.batch_size, budget.largest_batch),
        ),
    )


def _convolutional(data: str, name: str, options: Options, budget: Budget) -> Config:
    """Return the defaults of a preset for a data set, in a space of convolutional networks."""
    schedule, traits = budget.schedule, budget.traits
    return Config(
        data=data,
        preset=cast(Preset, name),
        space=schedule.space,
        data_options=options,
        supernet=SupernetConfig(
            train=StageConfig(schedule.supernet_epochs), batch_size=traits.supernet_batch
        ),
        evolution=EvolutionConfig(population=schedule.population, generations=schedule.generations),
        retrain=RetrainConfig(
            top=schedule.top,
            train=StageConfig(schedule.retrain_epochs, schedule.learning_rate),
            fine_tune=StageConfig(schedule.fine_tune_epochs, FINE_RATE),
            batch_size=traits.batch,
            activity_penalty=traits.activity_penalty,
            # Short runs would spend more time on compiling than they save.
            population=PopulationConfig(lanes=1 if name == "smoke" else None, waste=traits.waste),
        ),
    )


# Spaces whose presets differ from those of convolutional networks.
OF_SPACES = {"xylo": _on_chip}


def has_rows(config: Config) -> bool:
    """Tell whether the tables have the budget of a config's data set and preset."""
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
    objectives: tuple[str, ...] | None = None,
    options: Options | None = None,
    size: Size | None = None,
    **values: Any,
) -> Config:
    """Return the defaults of a preset for a data set.

    They are those of a `space`, if it has its own, and for `objectives` other than its usual ones:
    several, such as ("war", "energy"), take an algorithm for several. `options` are those of the
    data set; by default they are made from the `values` by name:
    `preset("npz", "smoke", data_dir=Path("mine.npz"))`. The budgets of a data set without a row in
    `search.preset_tables` follow from its `size`; by default the data are read to find it.

    Raises: InputError for an unknown data set, preset or option, or data that cannot be read.

    Examples:
        >>> import search
        >>> config = search.preset("digits", "smoke")
        >>> config.data, config.space, config.evolution.algorithm
        ('digits', 'conv', 'genetic')
        >>> search.preset("digits", "smoke", objectives=("war", "energy")).evolution.algorithm
        'nsga2'
    """
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
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
    config = dataclasses.replace(config, objectives=objectives)  # checks them
    algorithm = "nsga2" if len(objectives) > 1 else EvolutionConfig.algorithm
    evolution = dataclasses.replace(config.evolution, algorithm=algorithm)
    return dataclasses.replace(config, evolution=evolution)
