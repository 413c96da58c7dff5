"""Checks of a run's options before it starts, or once its data are known."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from search.config import Config
from search.loop import algorithms
from search.loop.genes import Genes
from search.retraining import registry as retraining
from search.spaces.registry import space_entry
from search.strategies import registry as strategies
from ttfs_jax.datasets import Dataset
from ttfs_jax.support.devices import multiply_in
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import inside, option, spelled
from ttfs_jax.training.recipe import TrainConfig


def differences(old: Any, new: Any, *, within: str = "") -> Iterator[tuple[str, Any, Any]]:
    """List the fields in which configs `old` and `new` differ, a.b for b of a, with both values.

    `within` goes before every name.
    """
    for field in fields(old):
        name, before, after = (
            within + field.name,
            getattr(old, field.name),
            getattr(new, field.name),
        )
        if is_dataclass(before) and type(before) is type(after):
            yield from differences(before, after, within=inside(field.name, within))
        elif before != after:
            yield name, before, after


def refuse_changes(saved: Config, wanted: Config) -> None:
    """Refuse to continue a run of the config `saved` under another one, `wanted`.

    Raises: InputError naming an option.
    """
    for name, old, new in differences(saved, wanted):
        raise changed(name, old, new)


def changed(name: str, old: Any, new: Any) -> InputError:
    """Make the error for the field `name`, which is `new` and was `old` when the run started."""
    return InputError(
        f"{option(name)} {spelled(new)} differs from the {spelled(old)} this run began with: leave "
        "the option out, or start a new run by --run-dir"
    )


def check_options(config: Config, *, new: bool) -> None:
    """Check options of `config` against each other, before data are loaded. Raises: InputError.

    `new` is false for a run that is continued or shown again.
    """
    entry = space_entry(config.space)
    algorithms.check_algorithm(
        config.evolution.algorithm,
        population=config.evolution.population,
        several=len(config.objectives) > 1,
    )
    strategies.strategy_entry(entry.strategy).check(config)
    stage = retraining.retraining_entry(entry.retraining)
    stage.check(config)
    if new:
        stage.check_new(config)


def check_recipes(config: Config, data: Dataset, space: Genes) -> None:
    """Check fields of `config` that depend on data and space. Raises: InputError naming one."""
    entry, samples = space_entry(config.space), len(data.train.labels)
    recipes = strategies.strategy_entry(entry.strategy).recipes(config)
    recipes |= retraining.retraining_entry(entry.retraining).recipes(config)
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
    budget = config.evolution.population * config.evolution.generations
    if budget > space.size:
        raise InputError(
            f"--evolution.population × --evolution.generations is {budget}: it must be at most "
            f"the space's {space.size}"
        )
