"""The best candidates from scratch, converted and fine-tuned, in parallel."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from search.loop.progress import Bar
from search.loop.run_directory import RunDirectory
from search.retraining.halving import Rung
from search.spaces.convolutional import Space
from ttfs_jax.codes import Code, find_code
from ttfs_jax.datasets import Dataset
from ttfs_jax.evaluation.measure import evaluate
from ttfs_jax.network.architecture import Architecture
from ttfs_jax.network.conversion import calibrate, fold
from ttfs_jax.network.masked import Network, Variables
from ttfs_jax.population.program import PopulationConfig, pick, run_members
from ttfs_jax.tasks import Measured
from ttfs_jax.training.buckets import BucketTraining
from ttfs_jax.training.recipe import TrainConfig, make_train
from ttfs_jax.training.shapes import draw_variables, make_grid, masked_waste

Rank = Callable[[Variables, np.ndarray], np.ndarray]
# Training images for estimating norm statistics and windows, once per network.
CALIBRATION_IMAGES = 4096
# Windows of fine-tuning over the largest activation: the shortest without clipping in calibration,
# for the finest time steps; they grow where training needs it.
WINDOW_MARGIN = 1.0


class Retraining:
    """The members [P] of one population, from genotypes to measured TTFS networks.

    `space` and `genotypes` [P, G] define the members, `layout` how they are laid out on
    the devices, `data` are for training and measuring; `seed` is that of all randomness.
    Between calls members are stacks [P, ...] in the space's maximal shape; they train in shape
    buckets, and a checkpoint is kept after every pass. `groups` [P] numbers the search that each
    member comes from (default: one for all); all are treated equally, and halving keeps the same
    number of each. Source of the recipe (train as ReLU, convert, fine-tune in spike times):
    Stanojevic et al. 2024 (arXiv:2306.08744).
    """

    def __init__(
        self,
        space: Space,
        genotypes: np.ndarray,
        data: Dataset,
        seed: int,
        *,
        layout: PopulationConfig,
        groups: np.ndarray | None = None,
    ):
        architectures = jax.vmap(space.decode)(jnp.asarray(genotypes))
        self.genotypes = genotypes
        self.groups = np.zeros(len(genotypes), int) if groups is None else groups
        self.architectures: Architecture = jax.tree.map(np.asarray, architectures)
        self.grid = make_grid(space.spec, *space.grid_choices, waste=layout.waste)
        self.network = Network(space.spec)
        self.members = len(genotypes)
        self.layout, self.seed = layout, seed
        self.images, self.labels = np.asarray(data.train.images), np.asarray(data.train.labels)
        self.augmentation = dataclasses.asdict(data.augmentation)

    @property
    def waste(self) -> float:
        """Give the share of multiply-adds that training spends on masked channels."""
        return masked_waste(self.grid, self.architectures)

    def initial(self) -> Variables:
        """Draw fresh variables for every member: [P, ...]."""

        def fresh(member, _):
            architecture, seed = member
            return draw_variables(self.network.spec, architecture, jax.random.key(seed))

        return run_members(fresh, (self.architectures, self._seeds(0)), ())

    def train(
        self,
        name: str,
        variables: Variables,
        config: TrainConfig,
        *,
        code: str | Code,
        directory: RunDirectory,
        bar: Bar,
        alive: np.ndarray | None = None,
        rungs: tuple[Rung, ...] = (),
        rank: Rank | None = None,
    ) -> tuple[Variables, np.ndarray]:
        """Train the members `alive` (default: all) in one code (`relu` or `ttfs`).

        `config` is the recipe, and `variables` [P, ...] are those to start from. It continues from
        the checkpoint `name` in the run `directory` if there is one; `bar` shows the progress.
        After the epoch of each of the `rungs` only its best members of each group by
        `rank(variables, members) -> scores` continue.

        Returns the variables of all members [P, ...], those that stopped early as they were then,
        and the indices of the members that reached the end.
        """

        training = self._training(config, code)
        states, first = training.start(variables), 0
        alive = np.arange(self.members) if alive is None else alive
        path = directory.checkpoint(name)
        if checkpoint := directory.restore(path, lambda _: states):
            states, meta = checkpoint
            first, alive = meta["epoch"], np.asarray(meta["alive"])
            bar.advance(first)
        stops = {rung.epoch: rung.keep for rung in rungs}
        shared = (self.images, self.labels)
        seeds = self._seeds(2 if find_code(code).folded else 1)
        for epoch in range(first, config.epochs):
            states, losses = training.epoch(states, alive, seeds, shared)
            note = f"loss {float(losses[alive].mean()):.3f}"
            if epoch + 1 in stops and rank is not None:
                alive = self._best(rank, training.finish(states), alive, stops[epoch + 1])
                note += f", {len(alive)} go on"
                directory.log.info("%s epoch %d: members %s go on", name, epoch + 1, alive)
            meta = {"epoch": epoch + 1, "alive": alive.tolist()}
            directory.save(path, states, meta=meta)
            bar.advance(1, note)
            directory.log.info("%s epoch %d: losses %s", name, epoch + 1, losses)
        return training.finish(states), alive

    def _training(self, config: TrainConfig, code: str | Code) -> BucketTraining:
        """Make the programs that train members in one code, one per shape bucket."""

        def recipe(network, samples):
            return make_train(
                network,
                config,
                samples=samples,
                code=code,
                window_margin=WINDOW_MARGIN,
                **self.augmentation,
            )

        return BucketTraining(
            self.grid,
            self.architectures,
            recipe,
            batch_size=config.batch_size,
            name=f"training in {code} code",
            config=self.layout,
        )

    def convert(
        self, variables: Variables, members: np.ndarray, *, margin: float = WINDOW_MARGIN
    ) -> Variables:
        """Calibrate statistics and windows and fold the norms: stacks [M, ...] of `members`.

        `variables` [M, ...] are those of ReLU networks; windows are `margin` times as long as the
        largest activation of the calibration images.
        """

        def convert(member, shared):
            variables, architecture = member
            images, margin = shared
            return fold(calibrate(self.network, variables, architecture, images, margin=margin))

        shared = (self.images[:CALIBRATION_IMAGES], np.float32(margin))
        return run_members(convert, (variables, pick(self.architectures, members)), shared)

    def measure(
        self,
        variables: Variables,
        members: np.ndarray,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        code: str | Code,
        continuous: np.ndarray | bool = False,
    ) -> Measured:
        """Measure `members` on a set of images: every field [M, ...].

        `variables` [M, ...] are read in a `code`; the images have `labels`. Where `continuous` ([M]
        or one for all) time is left continuous, else quantised as the architecture says.
        """

        def measure(member, shared):
            return evaluate(self.network, *member, *shared, code=code)

        architectures = pick(self.architectures, members)
        time_bits = np.where(continuous, 0, architectures.time_bits).astype(np.int32)
        stack = (variables, architectures.replace(time_bits=time_bits))
        return run_members(measure, stack, (np.asarray(images), np.asarray(labels)))

    def _best(self, rank, variables, alive, keep):
        """Keep the best of each group among the members alive."""
        scores = np.nan_to_num(rank(pick(variables, alive), alive), nan=-np.inf)
        order = alive[np.argsort(-scores, kind="stable")]
        best = [order[self.groups[order] == group][:keep] for group in np.unique(self.groups)]
        return np.sort(np.concatenate(best))

    def _seeds(self, purpose: int) -> np.ndarray:
        """Derive one integer seed per member: [P]."""
        key = jax.random.fold_in(jax.random.key(self.seed), purpose)
        keys = jax.vmap(lambda n: jax.random.fold_in(key, n))(jnp.arange(self.members))
        return np.asarray(jax.vmap(lambda k: jax.random.bits(k, (), jnp.uint32))(keys))
