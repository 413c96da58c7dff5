"""Several objectives: ranks, crowding, fronts, hypervolume."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from search.loop import pareto
from ttfs_jax.support.errors import InputError

#      a      b      c      d      e
COSTS = np.array([[1.0, 4.0], [2.0, 2.0], [4.0, 1.0], [3.0, 3.0], [5.0, 5.0]])
ZERO = np.zeros(5)
RANKS = jax.jit(pareto.ranks)


def test_ranks_by_hand():
    np.testing.assert_array_equal(
        pareto.ranks(jnp.asarray(COSTS), jnp.asarray(ZERO)), [0, 0, 0, 1, 2]
    )


def test_limits_come_before_costs():
    violation = jnp.array([0.0, 1.0, 0.0, 0.0, 2.0])
    # b breaks a limit, so d is no longer dominated; e breaks more of them.
    np.testing.assert_array_equal(pareto.ranks(jnp.asarray(COSTS), violation), [0, 1, 0, 0, 2])


def test_a_row_that_is_not_finite_is_worse_than_any_violation():
    """2²⁴ and more: float32 no longer tells such a violation from the next whole number."""
    costs = jnp.array([[jnp.nan, 0.0], [2.0, 2.0], [1.0, 1.0]])
    found = pareto.ranks(costs, jnp.array([0.0, 1e9, 0.0]))
    np.testing.assert_array_equal(found, [2, 1, 0])


def peel(costs, violation):
    """Sort into fronts by the definition, pair by pair."""

    def dominates(i, j):
        if violation[i] == violation[j] == 0:
            return (costs[i] <= costs[j]).all() and (costs[i] < costs[j]).any()
        return violation[i] < violation[j]

    rank, left = np.zeros(len(costs), int), set(range(len(costs)))
    while left:
        best = {j for j in left if not any(dominates(i, j) for i in left)}
        left -= best
        rank[list(left)] += 1
    return rank


@settings(deadline=None, max_examples=40)
@given(
    arrays(np.float32, (12, 3), elements=st.integers(0, 4)),
    arrays(np.float32, 12, elements=st.sampled_from([0, 0, 0, 1, 2])),
)
def test_every_rank_is_that_of_the_definition(costs, violation):
    found = RANKS(costs, violation)
    np.testing.assert_array_equal(found, peel(costs, violation))


def test_crowding_by_hand():
    found = pareto.crowding(jnp.asarray(COSTS[:3]), jnp.zeros(3, int))
    # Between a and c: (4 − 1) / 3 in both objectives.
    np.testing.assert_allclose(found, [np.inf, 2.0, np.inf])


def test_crowding_within_each_front_of_its_own():
    costs = jnp.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0], [5.0, 9.0], [8.0, 8.0], [9.0, 5.0]])
    found = pareto.crowding(costs, jnp.array([0, 0, 0, 1, 1, 1]))
    np.testing.assert_allclose(found, [np.inf, 2.0, np.inf, np.inf, 2.0, np.inf])


def test_order_prefers_rank_and_then_room():
    #          front 0: a     b           c           d      front 1
    costs = [[0.0, 9.0], [1.0, 8.0], [5.0, 4.0], [9.0, 0.0], [9.5, 9.5]]
    best_first = pareto.order(jnp.array(costs), jnp.zeros(5))
    # Room of b: 5/9 + 5/9, of c: 8/9 + 8/9; the ends are never crowded.
    np.testing.assert_array_equal(best_first, [0, 3, 2, 1, 4])


def test_a_front_of_equals_is_not_crowded_by_division_by_zero():
    found = pareto.crowding(jnp.ones((4, 2)), jnp.zeros(4, int))
    assert not np.isnan(found).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_come_last(bad):
    costs = COSTS.copy()
    costs[1, 0] = bad
    best_first = jax.jit(pareto.order)(jnp.asarray(costs), jnp.asarray(ZERO))
    assert best_first[-1] == 1
    np.testing.assert_array_equal(pareto.front(costs), [True, False, True, True, False])


@settings(deadline=None, max_examples=30)
@given(arrays(np.float64, (12, 3), elements=st.integers(0, 5)))
def test_rank_zero_is_what_no_row_dominates(costs):
    """Property: agrees with the definition, pair by pair, and with the library's front."""
    dominated = [any((b <= a).all() and (b < a).any() for b in costs) for a in costs]
    rank = np.asarray(RANKS(costs.astype(np.float32), np.zeros(12, np.float32)))
    np.testing.assert_array_equal(rank > 0, dominated)
    marked = pareto.front(costs)
    assert {tuple(row) for row in costs[marked]} == {tuple(row) for row in costs[rank == 0]}


def test_hypervolume_by_hand():
    corners = np.array([[0.0, 0.5], [0.5, 0.0]])
    box = {"ideal": np.zeros(2), "reference": np.ones(2)}
    assert pareto.hypervolume(corners, **box) == pytest.approx(0.75)
    assert pareto.hypervolume(
        corners * 4, ideal=np.zeros(2), reference=4 * np.ones(2)
    ) == pytest.approx(0.75)
    assert pareto.hypervolume(np.array([[2.0, 0.0]]), **box) == 0.0
    assert pareto.hypervolume(np.array([[np.nan, 0.0]]), **box) == 0.0


@settings(deadline=None, max_examples=30)
@given(arrays(np.float64, (6, 3), elements=st.integers(0, 6)))
def test_hypervolume_counts_the_dominated_cells(costs):
    """Property: of a box of 5³ unit cells, the share with a row at or below their corner."""
    cells = np.array(list(itertools.product(range(5), repeat=3)))
    expected = np.mean([(costs <= cell).all(1).any() for cell in cells])
    found = pareto.hypervolume(costs, ideal=np.zeros(3), reference=np.full(3, 5.0))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("reference", [[1.0, 0.0], [np.nan, 1.0]])
def test_hypervolume_needs_a_box(reference):
    with pytest.raises(InputError, match="worse than the ideal"):
        pareto.hypervolume(COSTS, ideal=np.zeros(2), reference=np.array(reference))


def test_front_leaves_out_what_breaks_limits():
    violation = np.array([0.0, 1.0, 0.0, 0.0, np.nan])
    np.testing.assert_array_equal(pareto.front(COSTS, violation), [True, False, True, True, False])
    assert pareto.front(np.zeros((0, 2))).shape == (0,)
