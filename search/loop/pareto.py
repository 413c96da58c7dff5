"""Several objectives at once: ranks, crowding, survivors, fronts and hypervolume. All minimised.

Letters: n candidates, M objectives.
"""

import jax
import jax.numpy as jnp
import moocore
import numpy as np

from ttfs_jax.support.errors import InputError


def _dominates(costs: jax.Array, violation: jax.Array) -> jax.Array:
    """Tell whether row i dominates row j, limits before costs: [n, M], [n] -> bool [n, n].

    Source: constrained domination, Deb et al. 2002, definition 1, doi:10.1109/4235.996017.
    """
    ours, theirs = costs[:, None], costs[None]
    better = (ours <= theirs).all(-1) & (ours < theirs).any(-1)
    mine, others = violation[:, None], violation[None]
    feasible = (mine <= 0) & (others <= 0)
    return jnp.where(feasible, better, mine < others)


def _tame(costs: jax.Array, violation: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Count a row that is not finite as violating more than any other."""
    finite = jnp.isfinite(costs).all(1) & jnp.isfinite(violation)
    violation = jnp.where(finite, jnp.maximum(violation, 0.0), jnp.inf)
    return jnp.where(finite[:, None], costs, 0.0), violation


def ranks(costs: jax.Array, violation: jax.Array) -> jax.Array:
    """Sort into fronts: 0 for rows that none dominates, 1 for those that only front 0 does, ….

    Shapes: costs [n, M], violation [n] (0 = feasible) -> int [n]. Rows that are not finite come
    last.

    Source: non-dominated sorting, Deb et al. 2002, sec. III A, doi:10.1109/4235.996017.
    """
    costs, violation = _tame(costs, violation)
    dominates = _dominates(costs, violation)
    count = len(costs)

    def peel(carry):
        rank, number = carry
        rest = rank == count
        beaten = (dominates & rest[:, None]).any(0)
        return jnp.where(rest & ~beaten, number, rank), number + 1

    start = jnp.full(count, count), jnp.zeros((), jnp.int32)
    return jax.lax.while_loop(lambda carry: (carry[0] == count).any(), peel, start)[0]


def crowding(costs: jax.Array, rank: jax.Array) -> jax.Array:
    """Measure how far apart the neighbours of a row are within its front: [n].

    Shapes: costs [n, M], rank [n] -> [n].

    Σ over objectives of (next − previous) / (largest − smallest) of the front; ∞ at its ends.

    Source: crowding distance, Deb et al. 2002, sec. III B, doi:10.1109/4235.996017.
    """
    costs = jnp.where(jnp.isfinite(costs), costs, 0.0)

    def along(values):
        order = jnp.lexsort((values, rank))
        sorted_values, front = values[order], rank[order]
        inner = (
            jnp.zeros(len(values), bool)
            .at[1:-1]
            .set((front[1:-1] == front[:-2]) & (front[1:-1] == front[2:]))
        )
        spread = jnp.zeros(len(values)).at[1:-1].set(sorted_values[2:] - sorted_values[:-2])
        low = jax.ops.segment_min(values, rank, num_segments=len(values))
        high = jax.ops.segment_max(values, rank, num_segments=len(values))
        width = (high - low)[front]
        share = jnp.where(width > 0, spread / jnp.where(width > 0, width, 1.0), 0.0)
        return jnp.zeros(len(values)).at[order].set(jnp.where(inner, share, jnp.inf))

    return jax.vmap(along, 1)(costs).sum(0)


def order(costs: jax.Array, violation: jax.Array) -> jax.Array:
    """Order rows from best to worst, by rank and then by crowding.

    Shapes: costs [n, M], violation [n] -> indices [n].
    """
    rank = ranks(costs, violation)
    return jnp.lexsort((-crowding(costs, rank), rank))


def front(costs: np.ndarray, violation: np.ndarray | None = None) -> np.ndarray:
    """Mark the feasible, finite rows that no other dominates, and the first of equal ones.

    Shapes: costs [n, M], violation [n], 0 for none -> bool [n].

    Examples:
        >>> import numpy as np
        >>> front(np.array([[1.0, 3.0], [2.0, 1.0], [2.0, 4.0]])).tolist()
        [True, True, False]
    """
    costs = np.asarray(costs, float)
    eligible = np.isfinite(costs).all(1)
    if violation is not None:
        eligible &= np.asarray(violation) <= 0
    marked = np.zeros(len(costs), bool)
    if eligible.any():
        marked[eligible] = moocore.is_nondominated(costs[eligible], keep_weakly=False)
    return marked


def hypervolume(costs: np.ndarray, *, ideal: np.ndarray, reference: np.ndarray) -> float:
    """Measure the share of the box from `ideal` to `reference` that is dominated: 0 … 1.

    Shapes: costs [n, M], ideal [M], reference [M]. Rows beyond the reference add nothing, those
    better than the ideal count as ideal. Raises: InputError if the box is empty.

    Source: Zitzler & Thiele 1998, doi:10.1007/BFb0056872; computed by moocore.
    """
    ideal, reference = np.asarray(ideal, float), np.asarray(reference, float)
    if not (ideal < reference).all():
        raise InputError(
            f"the box of the hypervolume from {ideal} to {reference} is empty: give a reference "
            "that is worse than the ideal in every objective"
        )
    shares = (np.asarray(costs, float) - ideal) / (reference - ideal)
    shares = np.maximum(shares[np.isfinite(shares).all(1)], 0.0)
    if not len(shares):
        return 0.0
    return float(moocore.hypervolume(shares, ref=np.ones(len(ideal))))
