"""What can be checked of a run's options before it begins, or once its data are known."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from hardware.xylo.families import family
from hardware.xylo.rockpool.referee import simulator
from search.config import Config
from search.loop.genes import Genes
from search.strategies.xylo.scores import objective_names
from ttfs_jax.datasets import Dataset
from ttfs_jax.support.devices import multiply_in
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import option
from ttfs_jax.training.recipe import TrainConfig

XYLO = "xylo"
SIMULATED = ("eye.subjects", "eye.simulator_seed")
# Options that have no effect, by what makes them so.
WITHOUT_EFFECT = {
    "space": {
        "xylo": (
            "supernet",
            "retrain",
            "evolution.calibration_images",
            "evolution.validation_images",
            "evolution.war_weight",
            "evolution.synops_penalty",
            "evolution.window_margin",
        ),
        "": ("xylo", "objectives"),
    },
    "data": {
        "eye": ("data_dir",),
        "see": SIMULATED,
        "digits": ("data_dir", "eye"),
        "fashion-mnist": ("eye",),
    },
}


def differences(old: Any, new: Any, *, within: str = "") -> Iterator[tuple[str, Any, Any]]:
    """List the fields in which two configs differ, a.b for b of a config a, with both values.

    `within` goes before every name.
    """
    for field in fields(old):
        name, before, after = (
            within + field.name,
            getattr(old, field.name),
            getattr(new, field.name),
        )
        if is_dataclass(before):
            yield from differences(before, after, within=f"{name}.")
        elif before != after:
            yield name, before, after


def refuse_changes(saved: Config, wanted: Config) -> None:
    """Refuse to go on with a run under another config. Raises: InputError naming an option."""
    for name, old, new in differences(saved, wanted):
        raise InputError(
            f"{option(name)} {new} differs from the {old} this run began with: leave the option "
            "out, or start a new run by --run-dir"
        )


def refuse_idle_options(defaults: Config, config: Config) -> None:
    """Refuse options that the data set or the space has no use for. Raises: InputError."""
    changed = [name for name, _, _ in differences(defaults, config)]
    for cause, idle in WITHOUT_EFFECT.items():
        value = getattr(config, cause)
        for group in idle.get(value, idle.get("", ())):
            for name in changed:
                if name == group or name.startswith(f"{group}."):
                    raise InputError(
                        f"{option(name)} has no effect with --{cause} {value}: leave it out"
                    )


def check_chip(config: Config) -> None:
    """Check the options of `--space xylo` that are names. Raises: InputError."""
    family(config.target)
    objective_names(config.objectives)


def check_referee(config: Config) -> None:
    """Check that a new run for the chip has the simulator its end asks for. Raises: InputError."""
    if config.space == XYLO and config.xylo.referee:
        try:
            simulator()
        except InputError as error:
            raise InputError(f"{error}; --xylo.no-referee leaves it out") from error


def check_recipes(config: Config, data: Dataset, space: Genes) -> None:
    """Check what depends on the data and the space. Raises: InputError naming an option."""
    on_chip, samples = config.space == XYLO, len(data.train.labels)
    recipes = {
        "supernet.train": config.supernet.train,
        "retrain.train": config.retrain.train,
        "retrain.fine_tune": config.retrain.fine_tune,
    }
    if on_chip:
        recipes = {
            "xylo.train": config.xylo.train,
            "xylo.retrain": config.xylo.retrain,
            "xylo.relu": config.xylo.relu,
            "xylo.relu_retrain": config.xylo.relu_retrain,
        }
    for name, recipe in recipes.items():
        name = option(name)
        if recipe.batch_size > samples:
            raise InputError(
                f"{name}.batch-size {recipe.batch_size} must be between 1 and the {samples} "
                "training images"
            )
        if isinstance(recipe, TrainConfig):
            try:
                multiply_in(recipe.products)
            except ValueError as error:
                raise InputError(f"{name}.products {recipe.products}: {error}") from error
    if not on_chip and config.supernet.train.batch_size % config.supernet.paths:
        raise InputError(
            f"--supernet.train.batch-size {config.supernet.train.batch_size} must be a multiple "
            f"of --supernet.paths {config.supernet.paths}"
        )
    budget = config.evolution.population * config.evolution.generations
    if budget > space.size:
        raise InputError(
            f"--evolution.population × --evolution.generations is {budget}: it must be at most "
            f"the space's {space.size}"
        )
    if not on_chip and config.retrain.top > budget:
        raise InputError(
            f"--evolution.population × --evolution.generations is {budget}: it must be at least "
            f"--retrain.top {config.retrain.top}"
        )
