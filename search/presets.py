"""The defaults of a run by data set, preset and space."""

import dataclasses

from hardware.xylo.mappings.native_training import NativeTrainConfig
from search.config import Config, EvolutionConfig, RetrainConfig, SupernetConfig, XyloConfig
from ttfs_jax.datasets import EyeConfig
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
SMOKE_EYE = EyeConfig(size=24, pool=1, subjects=24, draws=2, test_draws=4)


# Generations and population of `--space xylo`; epochs of search and retraining, of ReLU twins.
XYLO_SCHEDULES = {
    "smoke": (3, 8, 1, 2, 2, 4),
    "default": (10, 16, 3, 20, 10, 60),
    "full": (20, 48, 6, 60, 20, 120),
}
# A pass over so few samples takes so many times as many epochs.
XYLO_EPOCHS = {"digits": 6}


def _on_chip(config: Config) -> Config:
    """Change the defaults of a preset to those of `--space xylo`."""
    generations, population, *epochs = XYLO_SCHEDULES[config.preset]
    more = XYLO_EPOCHS.get(config.data, 1)
    train, retrain, relu, relu_retrain = (more * count for count in epochs)
    return dataclasses.replace(
        config,
        space="xylo",
        target="xylo-a3",
        objectives="war,uar,energy,latency",
        evolution=EvolutionConfig("nsga2", population=population, generations=generations),
        xylo=XyloConfig(
            train=NativeTrainConfig(epochs=train),
            retrain=NativeTrainConfig(epochs=retrain),
            relu=DenseTrainConfig(epochs=relu),
            relu_retrain=DenseTrainConfig(epochs=relu_retrain),
        ),
    )


def _of_data(data: str, name: str) -> Config:
    """Return the defaults of a preset for a data set, in a space of convolutional networks."""
    supernet, epochs, fine_epochs, population, generations, top = SCHEDULES[data, name]
    supernet_batch, batch, penalty = BATCHES[data]
    train = TrainConfig(
        epochs=epochs,
        batch_size=batch,
        learning_rate=LEARNING_RATES.get((data, name), TrainConfig.learning_rate),
        activity_penalty=penalty,
    )
    return Config(
        data=data,
        preset=name,
        space=OWN_SPACES.get((data, name), Config.space),
        eye=SMOKE_EYE if name == "smoke" else EyeConfig(),
        supernet=SupernetConfig(train=TrainConfig(epochs=supernet, batch_size=supernet_batch)),
        evolution=EvolutionConfig(population=population, generations=generations),
        retrain=RetrainConfig(
            top=top,
            # Short runs spend more on compiling a program than it would save.
            population=PopulationConfig(
                lanes=1 if name == "smoke" else None,
                waste=0.05 if name == "full" else WASTE.get(data, 1.0),
            ),
            train=train,
            fine_tune=dataclasses.replace(train, learning_rate=3e-4, epochs=fine_epochs),
        ),
    )


# Spaces whose presets differ from those of convolutional networks.
OF_SPACES = {"xylo": _on_chip}


def preset(
    data: str, name: str, *, space: str | None = None, objectives: str | None = None
) -> Config:
    """Return the defaults of a preset for a data set.

    They are those of a `space`, if it has its own, and for `objectives` other than its usual ones:
    several take an algorithm for several.
    """
    config = _of_data(data, name)
    if space in OF_SPACES:
        config = OF_SPACES[space](config)
    elif space is not None:
        config = dataclasses.replace(config, space=space)
    if objectives is None:
        return config
    algorithm = "nsga2" if "," in objectives else EvolutionConfig.algorithm
    evolution = dataclasses.replace(config.evolution, algorithm=algorithm)
    return dataclasses.replace(config, objectives=objectives, evolution=evolution)
