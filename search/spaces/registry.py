"""The search spaces by name. A new one is one function, and one line here."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from search.config import Config
from search.loop.genes import Genes
from search.spaces.convolutional import conv_space, deep_space, wide_range_space
from search.spaces.xylo import xylo_options, xylo_space
from ttfs_jax.datasets import Dataset
from ttfs_jax.support import errors


def _no_options(data: Dataset, config: Config) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class SpaceEntry:
    """A space, and the parts of a run for its networks, by their names in registries."""

    make: Callable[..., Any]
    """Makes the space: (image shape, number of classes, **options), a dataclass of `Genes`."""
    options: Callable[[Dataset, Config], dict[str, Any]] = _no_options
    """Returns the other arguments of `make`."""
    strategy: str = "inherited"
    """Key of `search.strategies.registry.STRATEGIES`: how candidates get their scores."""
    retraining: str = "converted"
    """Key of `search.retraining.registry.RETRAININGS`: how the best are retrained."""
    report: str = "networks"
    """Key of `search.reports.registry.REPORTS`: how the run is shown."""
    reads: tuple[str, ...] = ()
    """Options of a config, or groups of them, that `options` reads."""


# The search spaces by name.
SPACES = {
    "conv": SpaceEntry(conv_space),
    "conv-small": SpaceEntry(partial(conv_space, narrow=True)),
    "conv-wide": SpaceEntry(wide_range_space),
    "conv-deep": SpaceEntry(deep_space),
    "xylo": SpaceEntry(
        xylo_space,
        xylo_options,
        strategy="chip",
        retraining="front",
        report="chip",
        reads=("xylo.mappings",),
    ),
}


def space_entry(name: str) -> SpaceEntry:
    """Look up the space `name`. Raises: InputError for an unknown one."""
    return errors.look_up("--space", name, SPACES)


def make_space(name: str, image_shape: tuple[int, int, int], classes: int, **options: Any) -> Any:
    """Build the space `name` for images of `image_shape` in so many `classes`.

    `options` are its own. Raises: InputError for an unknown one.
    """
    return replace(space_entry(name).make(image_shape, classes, **options), name=name)


def build_space(config: Config, data: Dataset) -> Genes:
    """Build the space of a run of `config` for its data. Raises: InputError for an unknown one."""
    options = space_entry(config.space).options(data, config)
    return make_space(config.space, data.image_shape, len(data.classes), **options)
