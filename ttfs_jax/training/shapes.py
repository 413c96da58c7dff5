"""Shape buckets: members of different shapes in few compiled programs, with little masked waste.

The shape of a member depends only on its own architecture and on the grid, never on the other
members: its result is the same in every population.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ttfs_jax.network.architecture import OPERATORS, Architecture, NetworkSpec, make_plan
from ttfs_jax.network.counts import multiply_adds
from ttfs_jax.network.masked import Network, Variables, initialise
from ttfs_jax.network.plan import Plan


@dataclass(frozen=True)
class ShapeGrid:
    """The shapes members are computed in: a width is rounded up to the next tier of its stage."""

    spec: NetworkSpec  # the largest shape
    widths: tuple[tuple[int, ...], ...]  # tiers of every stage, ascending
    heads: tuple[int, ...]  # tiers of the head, ascending

    def shape(self, widths: Sequence[int], head: int) -> NetworkSpec:
        """Return the smallest shape of the grid that holds `widths` [S] of stages, and a `head`.

        Raises: ValueError for a width above the largest tier.
        """

        def up(tiers, value):
            if value > tiers[-1]:
                raise ValueError(f"width {value} is above the largest tier of {tiers}")
            return next(tier for tier in tiers if tier >= value)

        rounded = tuple(up(t, int(w)) for t, w in zip(self.widths, widths, strict=True))
        return dataclasses.replace(
            self.spec, stage_widths=rounded, head_width=up(self.heads, int(head))
        )


def make_grid(
    spec: NetworkSpec,
    widths: Sequence[Sequence[int]],
    heads: Sequence[int],
    *,
    waste: float = 0.05,
) -> ShapeGrid:
    """Merge tiers of width as long as the expected masked waste stays below `waste`.

    `spec` is the largest shape, `widths` and `heads` are those of a space; waste is the share of
    multiply-adds spent on masked channels, expected over uniformly drawn architectures. 0 keeps
    every shape separate, 1 leaves one bucket.
    """
    offered = [tuple(sorted(set(tier))) for tier in (*widths, heads)]
    average = [[1 / len(OPERATORS)] * len(OPERATORS)] * spec.blocks

    def cost(tiers):
        """Expected multiply-adds: every choice rounded up to its tier."""
        rounded = [
            [next(t for t in kept if t >= value) for value in values]
            for kept, values in zip(tiers, offered, strict=True)
        ]
        costs = [multiply_adds(spec, average, c[:-1], c[-1]) for c in itertools.product(*rounded)]
        return sum(costs) / len(costs)

    useful, tiers = cost(offered), list(offered)
    while True:
        # The largest tier of each must stay.
        merged = [
            [*tiers[:n], tuple(t for t in tiers[n] if t != dropped), *tiers[n + 1 :]]
            for n in range(len(tiers))
            for dropped in tiers[n][:-1]
        ]
        allowed = [m for m in merged if 1 - useful / cost(m) <= waste]
        if not allowed:
            return ShapeGrid(spec, tuple(tiers[:-1]), tiers[-1])
        tiers = min(allowed, key=lambda m: (math.prod(map(len, m)), cost(m)))


def group(grid: ShapeGrid, architectures: Architecture) -> dict[NetworkSpec, np.ndarray]:
    """Sort members into buckets of a `grid`: architectures [P] -> indices of members by shape."""
    buckets: dict[NetworkSpec, list[int]] = {}
    widths, heads = np.asarray(architectures.widths), np.asarray(architectures.head)
    for index, (width, head) in enumerate(zip(widths, heads, strict=True)):
        buckets.setdefault(grid.shape(width, head), []).append(index)
    return {spec: np.asarray(members) for spec, members in buckets.items()}


def useful_multiply_adds(spec: NetworkSpec, architectures: Architecture) -> np.ndarray:
    """Count the multiply-adds of every member in its own size, one image.

    Shapes: `architectures` [P] of the largest shape `spec` -> [P].
    """
    members = (architectures.operators, architectures.widths, architectures.head)
    return np.asarray(
        [
            multiply_adds(spec, np.eye(len(OPERATORS))[operators].tolist(), widths, head)
            for operators, widths, head in zip(*map(np.asarray, members), strict=True)
        ],
        float,
    )


def masked_waste(
    grid: ShapeGrid, architectures: Architecture, *, every_operator: bool = False
) -> float:
    """Return the share of multiply-adds spent on masks: architectures [P] -> 1 − useful / done.

    Members are computed in the shapes of a `grid`. With `every_operator` all operators of a block
    are computed and one is kept, as under `vmap`.
    """
    total = 0.0
    for operators, widths, head in zip(
        *(np.asarray(a) for a in (architectures.operators, architectures.widths)),
        np.asarray(architectures.head),
        strict=True,
    ):
        shape = grid.shape(widths, head)
        shares = np.eye(len(OPERATORS))[operators]
        if every_operator:
            shares = np.ones_like(shares)
        total += multiply_adds(grid.spec, shares.tolist(), shape.stage_widths, shape.head_width)
    return 1 - useful_multiply_adds(grid.spec, architectures).sum() / total


def _shapes(shape: NetworkSpec | Plan) -> Variables:
    return jax.eval_shape(lambda: initialise(Network(shape), jax.random.key(0)))


def _kept(large: Plan, small: Plan) -> dict[str, np.ndarray]:
    """List the inputs of every layer's kernel that the smaller shape has: bool [I] by layer."""

    def base(name):
        return np.arange(large.shapes[name].channels) < small.shapes[name].channels

    inputs = {}
    for layer in large:
        if layer.weighted:
            marks = large.marks(layer.sources[0], base)
            positions = 1 if layer.spatial else large.shapes[layer.sources[0]].positions
            inputs[layer.name] = np.tile(marks, positions)
    return inputs


def cut_members(
    variables: Variables, spec: NetworkSpec | Plan, shape: NetworkSpec | Plan
) -> Variables:
    """Cut members of a smaller shape out of a larger one: the leading channels.

    Shapes: `variables` [P, ...] of the shape `spec` -> NumPy [P, ...] of the shape `shape`.
    """
    inputs = _kept(make_plan(spec), make_plan(shape))

    def one(path, like, leaf):
        leaf = np.asarray(leaf)
        *layer, name = (part.key for part in path[1:])
        if name != "kernel":
            return leaf[(slice(None), *(slice(n) for n in like.shape))]
        return leaf[..., inputs["/".join(layer)], :][..., : like.shape[-1]]

    return jax.tree_util.tree_map_with_path(one, _shapes(shape), variables)


def embed(variables: Variables, shape: NetworkSpec | Plan, spec: NetworkSpec | Plan) -> Variables:
    """Put members back into the larger shape, idle channels around: the inverse of `cut_members`.

    Shapes: `variables` [P, ...] of the shape `shape` -> NumPy [P, ...] of the shape `spec`; added
    weights, thresholds and means are 0, added gains and deviations 1.
    """
    inputs = _kept(make_plan(spec), make_plan(shape))

    def one(path, like, leaf):
        leaf = np.asarray(leaf)
        *layer, name = (part.key for part in path[1:])
        idle = np.ones if name in ("scale", "std") else np.zeros
        whole = idle((len(leaf), *like.shape), leaf.dtype)
        if name != "kernel":
            whole[(slice(None), *(slice(n) for n in leaf.shape[1:]))] = leaf
        else:
            whole[..., np.flatnonzero(inputs["/".join(layer)]), : leaf.shape[-1]] = leaf
        return whole

    return jax.tree_util.tree_map_with_path(one, _shapes(spec), variables)


@partial(jax.jit, static_argnums=0)
def draw_variables(
    shape: NetworkSpec | Plan, architecture: Architecture, key: jax.Array
) -> Variables:
    """Draw fresh variables of one `architecture` in the maximal `shape`, by a `key`; traceable.

    Kernels are scaled to the fan-in in use (He et al. 2015, arXiv:1502.01852), so that a member
    starts as if it had been built in its own size.
    """
    plan = make_plan(shape)
    variables = initialise(Network(shape), key)
    inputs = {layer.name: layer.sources[0] for layer in plan if layer.weighted}

    def scaled(path, leaf):
        *layer, name = (part.key for part in path)
        if name != "kernel":
            return leaf
        source = inputs["/".join(layer)]
        used = plan.used(source, architecture)
        if isinstance(used, int):
            return leaf
        return leaf * jnp.sqrt(plan.shapes[source].channels / used.astype(leaf.dtype))

    params = jax.tree_util.tree_map_with_path(scaled, variables["params"])
    return variables | {"params": params}
