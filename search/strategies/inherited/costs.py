"""Costs of an inference of candidates beyond counts: energy, latency, memory and time steps."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import jax.numpy as jnp
import numpy as np

from hardware.target import Estimate, Workload
from hardware.targets import target
from search.loop.goal import Goal
from search.spaces.convolutional import Space
from ttfs_jax.network.counts import LayerCounts, count_rows
from ttfs_jax.network.timeline import make_timeline
from ttfs_jax.population.program import pick
from ttfs_jax.support.errors import InputError

ESTIMATED = ("energy", "latency")  # by the target
COSTS = (*ESTIMATED, "memory", "time_steps")


def check_known(name: str, goal: Goal) -> None:
    """Check that the target `name` estimates what the `goal` needs. Raises: InputError."""
    names = [cost for cost in ESTIMATED if cost in goal.names]
    if not names:
        return
    ones: Any = [jnp.ones(())] * (len(fields(LayerCounts)) - 1)
    layer = LayerCounts(*ones)
    estimate = target(name).estimate(Workload(inputs=1, outputs=1, layers=(layer,)))
    for cost in names:
        if getattr(estimate, cost) is None:
            other = ", take time_steps" if cost == "latency" else ""
            raise InputError(
                f"--target {name} does not know the {cost} of these networks, which --objectives "
                f"or --limits name: choose another --target{other}, or leave {cost} out"
            )


@dataclass(frozen=True)
class Costs:
    """Computes the costs in a goal, and whether they are within its limits."""

    goal: Goal
    """Objectives and limits of the run."""
    target: str
    """Name of the target that energy and latency are estimated for."""
    space: Space
    """The space of the genotypes."""
    windows: dict
    """Variables of that name of any network of the space."""

    @property
    def fields(self) -> tuple[str, ...]:
        """List the costs, and `violations` where there may be some."""
        costs = tuple(name for name in COSTS if name in self.goal.names)
        return (*costs, "violations") if self.goal.limits or self.goal.several else costs

    def of(
        self,
        genotypes: np.ndarray,
        layers: Sequence[LayerCounts],
        scores: dict[str, np.ndarray],
    ) -> dict[str, np.ndarray]:
        """Return the costs named in `fields` of genotypes [n, G]: each [n].

        `layers` are the counts of all layers, and `scores` the other scores that limits may bound,
        each [n]. Energy is in J, latency in s, memory in bytes of 8-bit weights and of thresholds
        and states of 16 bits; estimated, not measured. `violations` counts limits of the goal and,
        if the target is names for an estimate, its own.
        """
        rows = [
            self._row(genotype, [pick(layer, n) for layer in layers])
            for n, genotype in enumerate(genotypes)
        ]
        costs = {name: np.array([row[name] for row in rows], float) for name in rows[0]}
        costs["violations"] = costs["violations"] + self.goal.exceeded(scores | costs)
        return {name: costs[name] for name in self.fields}

    def _row(self, genotype: np.ndarray, layers: Sequence[LayerCounts]) -> dict[str, float]:
        architecture = self.space.decode(jnp.asarray(genotype))
        timeline = make_timeline(self.space.spec, architecture, self.windows)
        row = {
            "memory": sum(r["weight_memory"] + r["state_memory"] for r in count_rows(layers)) / 8,
            "time_steps": np.nan if timeline.steps is None else float(timeline.steps),
            "violations": 0.0,
        }
        if not any(cost in self.goal.names for cost in ESTIMATED):
            return row
        estimate = self._estimate(layers)
        return row | {
            "energy": np.nan if estimate.energy is None else estimate.energy.nominal,
            "latency": np.nan if estimate.latency is None else estimate.latency,
            "violations": float(len(estimate.reasons)),
        }

    def _estimate(self, layers: Sequence[LayerCounts]) -> Estimate:
        spec = self.space.spec
        inputs = int(np.prod(spec.image_shape))
        return target(self.target).estimate(Workload(inputs, spec.classes, layers=tuple(layers)))
