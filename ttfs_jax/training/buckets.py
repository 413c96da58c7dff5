"""Train a population in shape buckets: members of any size, a program per bucket, all in flight."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ttfs_jax.network.architecture import Architecture
from ttfs_jax.network.masked import Network, Variables
from ttfs_jax.population.lanes import fastest_lanes
from ttfs_jax.population.program import PopulationConfig, Program, pick
from ttfs_jax.training.recipe import Train, TrainState
from ttfs_jax.training.shapes import ShapeGrid, cut_members, embed, group

PROBED_BATCHES = 2


class BucketTraining:
    """Members [P] that train together, each in the shape of its bucket.

    `grid` has the shapes, `architectures` [P] the members. `recipe(network, samples)` makes the
    pure training functions for one shape, see `make_train`; its batches are of `batch_size`. The
    fastest number of lanes is stored under `name`, and `config` says how members are laid out. A
    member's result depends on its seed, its architecture and the data; see `Program` for how
    exactly.
    """

    def __init__(
        self,
        grid: ShapeGrid,
        architectures: Architecture,
        recipe: Callable[[Network, int], Train],
        *,
        batch_size: int,
        name: str,
        config: PopulationConfig | None = None,
    ):
        self.config = PopulationConfig() if config is None else config
        self.architectures = jax.tree.map(np.asarray, architectures)
        self.buckets = group(grid, self.architectures)
        self.programs: list[Program] = []
        self._spec, self._recipe, self._probed = grid.spec, recipe, PROBED_BATCHES * batch_size
        self._name = name

    def start(self, variables: Variables) -> list[TrainState]:
        """Cut fresh or converted members into buckets.

        `variables` [P, ...] of the maximal shape -> a state [P_b, ...] per bucket.
        """
        states = []
        for shape, members in self.buckets.items():
            own = cut_members(pick(variables, members), self._spec, shape)
            init = self._recipe(Network(shape), self._probed).init
            states.append(jax.tree.map(np.asarray, jax.jit(jax.vmap(init))(own)))
        return states

    def epoch(
        self, states: list[TrainState], alive: np.ndarray, seeds: np.ndarray, shared: tuple
    ) -> tuple[list[TrainState], np.ndarray]:
        """Run one pass for the members `alive`; the others stay unchanged.

        `seeds` [P]; `shared` is (images, labels). Returns the states and the mean losses [P], NaN
        for members that did not train.
        """
        if not self.programs:
            self._compile(states, seeds, shared)
        shared = self.programs[0].place(shared)
        waiting = []
        for program, members, state in zip(
            self.programs, self.buckets.values(), states, strict=True
        ):
            rows = np.flatnonzero(np.isin(members, alive))
            if len(rows):
                inputs = (pick(state, rows), *self._constants(members[rows], seeds))
                waiting.append((state, members, rows, program.start(inputs, shared)))
            else:
                waiting.append((state, members, rows, None))
        losses, after = np.full(len(seeds), np.nan, np.float32), []
        for state, members, rows, wait in waiting:
            if wait is not None:
                trained, losses[members[rows]] = wait()
                state = jax.tree.map(_replace(rows), state, trained)
            after.append(state)
        return after, losses

    def finish(self, states: list[TrainState]) -> Variables:
        """Combine the results of all members, from the `states` of buckets: [P, ...]."""
        parts = [
            embed(state.variables, shape, self._spec)
            for state, shape in zip(states, self.buckets, strict=True)
        ]
        order = np.argsort(np.concatenate(list(self.buckets.values())))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves)[order], *parts)

    def _constants(self, members, seeds):
        return pick(self.architectures, members), seeds[members]

    def _compile(self, states, seeds, shared):
        samples = len(shared[1])
        config = self.config
        if config.lanes is None:
            config = self._measured(states, seeds, shared)
        for (shape, members), state in zip(self.buckets.items(), states, strict=True):
            run = one_pass(self._recipe(Network(shape), samples))
            inputs = (state, *self._constants(members, seeds))
            self.programs.append(Program(run, inputs, shared, config=config))

    def _measured(self, states, seeds, shared):
        shape, members = next(iter(self.buckets.items()))
        few = jax.tree.map(lambda leaf: leaf[: self._probed], shared)
        run = one_pass(self._recipe(Network(shape), len(few[1])))
        rows = np.arange(4 * jax.local_device_count()) % len(members)
        inputs = (pick(states[0], rows), *self._constants(members[rows], seeds))
        lanes = fastest_lanes(run, inputs, few, name=self._name)
        return dataclasses.replace(self.config, lanes=lanes)


def one_pass(recipe: Train) -> Callable[[Any, tuple], tuple[TrainState, jax.Array]]:
    """Return one pass of a recipe as `function(member, shared)` for a `Program`."""

    def run(member, shared):
        state, architecture, seed = member
        images, labels = shared
        return recipe.epoch(state, architecture, images, labels, seed)

    return run


def _replace(rows):
    def put(whole, part):
        whole = np.array(whole)
        whole[rows] = part
        return whole

    return put
