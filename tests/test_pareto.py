"""Several objectives: ranks, crowding, fronts, hypervolume, NSGA-II."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from search import algorithms, pareto
from search.space import Gene
from search.xylo_space import XyloSpace
from ttfs_jax import checkpoint
from ttfs_jax.errors import InputError

#      a      b      c      d      e
COSTS = np.array([[1.0, 4.0], [2.0, 2.0], [4.0, 1.0], [3.0, 3.0], [5.0, 5.0]])
ZERO = np.zeros(5)


def test_ranks_by_hand():
    np.testing.assert_array_equal(
        pareto.ranks(jnp.asarray(COSTS), jnp.asarray(ZERO)), [0, 0, 0, 1, 2]
    )


def test_limits_come_before_costs():
    violation = jnp.array([0.0, 1.0, 0.0, 0.0, 2.0])
    # b breaks a limit, so d is no longer dominated; e breaks more of them.
    np.testing.assert_array_equal(pareto.ranks(jnp.asarray(COSTS), violation), [0, 1, 0, 0, 2])


def test_crowding_by_hand():
    found = pareto.crowding(jnp.asarray(COSTS[:3]), jnp.zeros(3, int))
    # Between a and c: (4 − 1) / 3 in both objectives.
    np.testing.assert_allclose(found, [np.inf, 2.0, np.inf])


def test_a_front_of_equals_is_not_crowded_by_division_by_zero():
    found = pareto.crowding(jnp.ones((4, 2)), jnp.zeros(4, int))
    assert not np.isnan(found).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_come_last(bad):
    costs = COSTS.copy()
    costs[1, 0] = bad
    best_first, _ = jax.jit(pareto.order)(jnp.asarray(costs), jnp.asarray(ZERO))
    assert best_first[-1] == 1
    np.testing.assert_array_equal(pareto.front(costs), [True, False, True, True, False])


@settings(deadline=None, max_examples=30)
@given(arrays(np.float64, (12, 3), elements=st.integers(0, 5)))
def test_rank_zero_is_what_no_row_dominates(costs):
    """Property: agrees with the definition, pair by pair, and with the library's front."""
    dominated = [any((b <= a).all() and (b < a).any() for b in costs) for a in costs]
    rank = np.asarray(pareto.ranks(jnp.asarray(costs), jnp.zeros(12)))
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


GENES = tuple(Gene(f"gene_{n}", (0, 1, 2, 3)) for n in range(6))
TOY = XyloSpace("toy", (8, 8, 1), 2, 1, (), GENES)


def toy(genotypes):
    """Two conflicting costs; the best is all genes 0 or 3, with every 3 traded against a 0."""
    genotypes = np.asarray(genotypes)
    between = np.isin(genotypes, (1, 2)).sum(1)
    costs = np.stack([(genotypes == 0).sum(1) + between, (genotypes == 3).sum(1) + between], 1)
    return costs.astype(float)


def explore(name, seed, *, generations=12, population=16, state=None, before=()):
    algorithm = algorithms.make(name, TOY, population=population, objectives=2)
    key = jax.random.key(seed)
    state = algorithm.init(key) if state is None else state
    seen = list(before)
    for number in range(len(seen), generations):
        own = jax.random.fold_in(key, number)
        _, genotypes, state = algorithm.ask(own, state)
        known = {tuple(row) for rows in seen for row in rows.tolist()}
        genotypes = jnp.asarray(algorithm.fresh(own, np.asarray(genotypes), known))
        told = np.column_stack([toy(genotypes), np.zeros(population)])
        state = algorithm.tell(own, state, genotypes, genotypes, jnp.asarray(told, jnp.float32))
        seen.append(np.asarray(genotypes))
    return np.concatenate(seen), state


def volume(genotypes):
    return pareto.hypervolume(toy(genotypes), ideal=np.zeros(2), reference=np.full(2, 7.0))


def test_nsga2_finds_the_whole_front():
    """Every number of 3s from 0 to 6 with 0s elsewhere: seven points on a line."""
    seen, _ = explore("nsga2", 0, generations=25)
    best = {tuple(row) for row in toy(seen)[pareto.front(toy(seen))]}
    assert best == {(6.0 - n, float(n)) for n in range(7)}


def test_nsga2_beats_random_search_of_equal_budget():
    wins = [
        volume(explore("nsga2", seed)[0]) > volume(explore("random", seed)[0]) for seed in range(5)
    ]
    assert sum(wins) == 5


def test_nsga2_goes_on_from_a_checkpoint_bit_for_bit(tmp_path):
    whole, _ = explore("nsga2", 1)
    seen, half = explore("nsga2", 1, generations=5)
    checkpoint.save(tmp_path / "state", half, meta={})
    restored, _ = checkpoint.restore(tmp_path / "state", half)
    again, _ = explore("nsga2", 1, state=restored, before=np.split(seen, 5))
    np.testing.assert_array_equal(again, whole)


def test_nsga2_survives_costs_that_are_not_finite():
    algorithm = algorithms.make("nsga2", TOY, population=8, objectives=2)
    key = jax.random.key(0)
    state = algorithm.init(key)
    for _ in range(2):
        proposals, genotypes, state = algorithm.ask(key, state)
        told = jnp.full((8, 3), jnp.nan).at[3].set(jnp.array([1.0, 1.0, 0.0]))
        state = algorithm.tell(key, state, proposals, genotypes, told)
    assert np.isfinite(state["state"].fitness[0]).all()


def test_other_algorithms_have_one_objective():
    with pytest.raises(InputError, match="several objectives"):
        algorithms.make("CMA_ES", TOY, population=8, objectives=2)


def test_every_gene_keeps_its_choices():
    seen, _ = explore("nsga2", 3)
    assert set(itertools.chain.from_iterable(seen.tolist())) == {0, 1, 2, 3}
