"""Scores with inherited weights: a supernet is trained once, and candidates inherit from it."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from search.config import Config, EvolutionConfig
from search.loop.exploration import Search
from search.loop.goal import make_goal
from search.spaces.convolutional import Space
from search.strategies.inherited.costs import Costs, check_known
from search.strategies.inherited.scores import (
    CALIBRATION_IMAGES,
    FIELDS,
    VALIDATION_IMAGES,
    make_evaluator,
)
from search.strategies.inherited.supernet import make_supernet, place
from ttfs_jax.network.masked import Network, Variables, initialise
from ttfs_jax.support.errors import InputError
from ttfs_jax.training.config import TrainConfig

# Each purpose has its own stream of randomness, so that stages can be resumed separately.
SUPERNET, EVOLUTION, RANDOM = range(3)


class Inherited:
    """Strategy `inherited`: shared weights, scored in quantised spike times on validation data.

    `search` has the run's config, data and space.
    """

    objectives: ClassVar[tuple[str, ...]] = (
        *("fitness", "war", "uar", "energy", "latency", "time_steps"),
        *("synops", "params", "memory", "spikes_per_neuron"),
    )
    """Scores that a run can optimise."""
    streams: ClassVar[dict[str, int]] = {"evolution": EVOLUTION, "random": RANDOM}
    """Streams of random numbers, by search."""

    def __init__(self, search: Search[Config, Space]):
        network, config = Network(search.space.spec), search.config.evolution
        with search.directory.stage("supernet"):
            self.variables = train_supernet(search, network)
        windows = self.variables["windows"]
        self._costs = Costs(search.goal, search.config.target, search.space, windows)
        self.fields = (*FIELDS, *self._costs.fields)
        data = search.data
        # The score is in every history; with the usual weight where the search has other
        # objectives.
        weighs = "fitness" in search.goal.objectives
        war_weight = config.war_weight if weighs else EvolutionConfig.war_weight
        self._evaluate = make_evaluator(
            network,
            search.space,
            population=config.population,
            war_weight=war_weight,
            calibration=data.train.images[:CALIBRATION_IMAGES],
            images=data.validation.images[:VALIDATION_IMAGES],
            labels=data.validation.labels[:VALIDATION_IMAGES],
            by_layer=bool(self._costs.fields),
        )

    def __call__(self, genotypes: np.ndarray) -> dict[str, np.ndarray]:
        """Score genotypes [n, G]: the scores named in `fields`, each [n]."""
        if not self._costs.fields:
            return vars(self._evaluate(self.variables, genotypes))
        counted, layers = self._evaluate(self.variables, genotypes)
        return vars(counted) | self._costs.of(genotypes, layers, vars(counted))

    @staticmethod
    def options(config: Config) -> dict[str, str]:
        """Name the options that are read, and their conditions on the `config`."""
        weighs = "" if "fitness" in config.objectives else "--objectives fitness"
        return {"train": "", "supernet": "", "evolution.war_weight": weighs}

    @staticmethod
    def recipes(config: Config) -> dict[str, TrainConfig]:
        """Name the recipe of training in a `config` by its options."""
        supernet = config.supernet
        return {"supernet": config.train.recipe(supernet.train, supernet.batch_size)}

    @classmethod
    def check(cls, config: Config) -> None:
        """Check options of a `config` that depend on each other. Raises: InputError naming one."""
        if config.supernet.batch_size % config.supernet.paths:
            raise InputError(
                f"--supernet.batch-size {config.supernet.batch_size} must be a multiple of "
                f"--supernet.paths {config.supernet.paths}"
            )
        goal = make_goal(config.objectives, vars(config.limits), offered=cls.objectives)
        check_known(config.target, goal)


def train_supernet(search: Search[Config, Space], network: Network) -> Variables:
    """Train the shared weights of a `network`; a checkpoint is kept after every pass.

    `search` has the run's config, data and directory.
    """
    config, recipe = search.config.supernet, Inherited.recipes(search.config)["supernet"]
    images, labels = (
        jnp.asarray(search.data.train.images),
        jnp.asarray(search.data.train.labels),
    )
    augmentation = vars(search.data.augmentation)
    train = make_supernet(
        network,
        search.space,
        recipe,
        paths=config.paths,
        samples=len(images),
        **augmentation,
    )
    seed = search.seed(SUPERNET)
    state = train.init(initialise(network, jax.random.key(seed)))
    path, first = search.directory.checkpoint("supernet"), 0
    if checkpoint := search.directory.restore(path, lambda _: state):
        state, meta = checkpoint
        first = meta["epoch"]
    one_pass = jax.jit(train.epoch)
    state, images, labels = place((state, images, labels), paths=config.paths)
    total = recipe.epochs
    with search.reporter.bar("supernet", total, done=first, unit="epochs") as bar:
        for epoch in range(first, total):
            state, loss = one_pass(state, images, labels, jnp.asarray(seed, jnp.uint32))
            bar.advance(1, f"loss {float(loss):.3f}")
            search.directory.save(path, state, meta={"epoch": epoch + 1})
            search.directory.log.info("supernet epoch %d: loss %.4f", epoch + 1, float(loss))
    return state.variables
