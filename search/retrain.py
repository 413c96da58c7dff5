"""Stage 3: the best candidates from scratch, in parallel, converted and fine-tuned as TTFS."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from search.config import RetrainConfig
from search.progress import Bar
from search.run_directory import RunDirectory
from search.space import Space
from ttfs_jax import checkpoint
from ttfs_jax.architecture import Architecture, NetworkSpec
from ttfs_jax.datasets import Dataset
from ttfs_jax.evaluation import Measured, evaluate
from ttfs_jax.identity import calibrate, fold
from ttfs_jax.network import Code, Network, Variables, initialise
from ttfs_jax.population import map_members
from ttfs_jax.training import TrainConfig, make_train


def bucket(spec: NetworkSpec, architectures: Architecture) -> NetworkSpec:
    """Trim the maximal shape to what the members use: architectures [P] -> their union."""
    widths = np.asarray(architectures.widths).max(0)
    return dataclasses.replace(
        spec,
        stage_widths=tuple(int(width) for width in widths),
        head_width=int(np.asarray(architectures.head).max()),
    )


class Retraining:
    """The members [P] of one population, from genotypes to measured TTFS networks.

    All members train in one program a pass; a checkpoint is kept after every pass. Source of the
    recipe (train as ReLU, convert, fine-tune in spike times): Stanojevic et al. 2024
    (arXiv:2306.08744).
    """

    def __init__(
        self, space: Space, genotypes: np.ndarray, config: RetrainConfig, data: Dataset, seed: int
    ):
        self.architectures = jax.vmap(space.decode)(jnp.asarray(genotypes))
        self.network = Network(bucket(space.spec, self.architectures))
        self.members = len(genotypes)
        self.config, self.seed = config, seed
        self.images, self.labels = jnp.asarray(data.train.images), jnp.asarray(data.train.labels)
        self.calibration = self.images[: config.calibration_images]
        self.augmentation = dataclasses.asdict(data.augmentation)

    def initial(self) -> Variables:
        """Draw fresh variables for every member: [P, ...]."""

        def fresh(seed):
            return initialise(self.network, jax.random.key(seed))

        return jax.jit(lambda seeds: map_members(fresh, seeds))(self._seeds(0))

    def train(
        self,
        name: str,
        variables: Variables,
        config: TrainConfig,
        *,
        code: Code,
        directory: RunDirectory,
        bar: Bar,
    ) -> Variables:
        """Train all members in one code; go on where a checkpoint left off."""
        recipe = make_train(
            self.network,
            config,
            samples=len(self.images),
            code=code,
            window_margin=self.config.window_margin,
            **self.augmentation,
        )

        @jax.jit
        def one_pass(states, architectures, images, labels, seeds):
            return map_members(
                lambda state, architecture, seed: recipe.epoch(
                    state, architecture, images, labels, seed
                ),
                states,
                architectures,
                seeds,
            )

        states = jax.jit(jax.vmap(recipe.init))(variables)
        path, first = directory.checkpoint(name), 0
        if checkpoint.exists(path):
            states, meta = checkpoint.restore(path, states)
            first = meta["epoch"]
            bar.advance(first)
        seeds = self._seeds(1 if code == "relu" else 2)
        for epoch in range(first, config.epochs):
            states, losses = one_pass(states, self.architectures, self.images, self.labels, seeds)
            note = f"loss {float(losses.mean()):.3f}"
            checkpoint.save(path, states, meta={"epoch": epoch + 1}, replace=True)
            bar.advance(1, note)
            directory.log.info("%s epoch %d: losses %s", name, epoch + 1, np.asarray(losses))
        return states.variables

    def convert(self, variables: Variables, *, margin: float) -> Variables:
        """Calibrate statistics and windows and fold the norms, for every member."""

        @jax.jit
        def convert(variables, architectures, images):
            return map_members(
                lambda v, a: fold(calibrate(self.network, v, a, images, margin=margin)),
                variables,
                architectures,
            )

        return convert(variables, self.architectures, self.calibration)

    def measure(self, variables: Variables, images, labels, *, code: Code) -> Measured:
        """Measure all members on a set of images: every field [P, ...]."""

        @partial(jax.jit, static_argnames="code")
        def measure(variables, architectures, images, labels, code):
            return map_members(
                lambda v, a: evaluate(self.network, v, a, images, labels, code=code),
                variables,
                architectures,
            )

        measured = measure(
            variables, self.architectures, jnp.asarray(images), jnp.asarray(labels), code
        )
        return jax.tree.map(np.asarray, measured)

    def _seeds(self, purpose: int) -> jax.Array:
        """Derive one integer seed a member: [P]."""
        key = jax.random.fold_in(jax.random.key(self.seed), purpose)
        keys = jax.vmap(lambda n: jax.random.fold_in(key, n))(jnp.arange(self.members))
        return jax.vmap(lambda k: jax.random.bits(k, (), jnp.uint32))(keys)


def member(tree, index: int):
    """Take one member out of a population's tree."""
    return jax.tree.map(lambda leaf: leaf[index], tree)
