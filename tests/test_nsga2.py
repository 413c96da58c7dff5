"""NSGA-II behind ask and tell: finds fronts, beats chance, goes on bit for bit, bears bad costs."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from search.loop import algorithms, evolution, pareto
from search.loop.genes import Gene, Genes
from search.loop.genetic import CategoricalGA, Params
from search.loop.goal import Goal
from search.loop.progress import Bar
from search.loop.run_directory import RunDirectory
from ttfs_jax.support import checkpoint
from ttfs_jax.support.errors import InputError


class Toy(Genes):
    """Six genes of four choices, every genotype another candidate."""

    genes = tuple(Gene(f"gene_{n}", (0, 1, 2, 3)) for n in range(6))


TOY = Toy()


def toy(genotypes):
    """Two conflicting costs; the best is all genes 0 or 3, with every 3 traded against a 0."""
    genotypes = np.asarray(genotypes)
    between = np.isin(genotypes, (1, 2)).sum(1)
    costs = np.stack([(genotypes == 0).sum(1) + between, (genotypes == 3).sum(1) + between], 1)
    return costs.astype(float)


@functools.cache
def make(name, population=16):
    # Every instance is compiled anew.
    return algorithms.make(name, TOY, population=population, objectives=2)


def explore(name, seed, *, generations=12, population=16, state=None, before=()):
    algorithm = make(name, population)
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_nsga2_goes_on_from_a_checkpoint_bit_for_bit(tmp_path):
    whole, _ = explore("nsga2", 1)
    seen, half = explore("nsga2", 1, generations=5)
    checkpoint.save(tmp_path / "state", half, meta={})
    restored, _ = checkpoint.restore(tmp_path / "state", half)
    again, _ = explore("nsga2", 1, state=restored, before=np.split(seen, 5))
    np.testing.assert_array_equal(again, whole)


def test_nsga2_keeps_the_best_of_parents_and_children():
    """Within limits first, whatever the costs; then the smaller violation; NaN last."""
    algorithm = make("nsga2").strategy
    population = jnp.broadcast_to(jnp.arange(16)[:, None] % 4, (16, 6)).astype(jnp.int32)
    parents = jnp.tile(jnp.array([[0.0, 0.0, 3.0]]), (16, 1)).at[:2].set(jnp.nan)
    children = jnp.tile(jnp.array([[0.0, 0.0, 2.0]]), (16, 1)).at[5].set(jnp.array([9.0, 9.0, 0.0]))
    key, params = jax.random.key(0), algorithm.default_params
    state = algorithm.init(key, population, parents, params)
    assert np.isnan(state.fitness[-2:]).all()
    state, _ = algorithm.tell(key, population, children, state, params)
    np.testing.assert_array_equal(state.fitness[0], [9.0, 9.0, 0.0])
    np.testing.assert_array_equal(state.population[0], [1] * 6)
    np.testing.assert_array_equal(state.fitness[1:, 2], 15 * [2.0])
    assert state.generation_counter == 1


def test_the_better_of_two_becomes_a_parent():
    """Without variation children are parents: of 16 sorted ones mean place 4.8, by chance 7.5."""
    algorithm = make("nsga2").strategy
    population = jnp.tile(jnp.arange(16, dtype=jnp.int32)[:, None], (1, 6))
    fitness = jnp.stack([jnp.arange(16.0), jnp.arange(16.0), jnp.zeros(16)], 1)
    params = Params(crossover_rate=0.0, mutation_rate=0.0)
    state = algorithm.init(jax.random.key(0), population, fitness, params)
    keys = jax.random.split(jax.random.key(1), 40)
    children = np.stack([algorithm.ask(key, state, params)[0] for key in keys])
    # Place n is the better of two with probability (2 (15 − n) + 1) / 16².
    assert children[..., 0].mean() == pytest.approx(4.84, abs=0.6)


def test_the_genetic_algorithm_varies_as_before_it_shared_its_operators():
    """Children of a key, recorded when `vary` was still a part of `ask`."""
    algorithm = CategoricalGA(4, (9,) * 6)
    key, params = jax.random.key(7), Params(crossover_rate=0.8, mutation_rate=0.4)
    population = 5 * jnp.arange(24).reshape(4, 6) % 9
    state = algorithm.init(key, population, jnp.arange(4.0), params)
    children, _ = algorithm.ask(key, state, params)
    expected = [[4, 4, 4, 0, 5, 1], [3, 0, 4, 6, 5, 5], [0, 5, 1, 0, 4, 4], [6, 2, 7, 3, 7, 1]]
    np.testing.assert_array_equal(children, expected)


FIELDS = ("first", "second", "violations")  # two costs, and a limit: gene 0 must not be 0


class Notes(Bar):
    """A bar that only remembers."""

    def __init__(self):
        self.notes = []

    def advance(self, amount, note=""):
        """Keep what is said."""
        self.notes.append(note)


def run(folder, generations):
    def evaluate(genotypes):
        costs = toy(genotypes)
        costs[(genotypes == 1).all(1)] = np.nan
        violations = (genotypes[:, 0] == 0).astype(float)
        return dict(zip(FIELDS, (costs[:, 0], costs[:, 1], violations), strict=True))

    folder.mkdir(exist_ok=True)
    bar = Notes()
    archive = evolution.run_generations(
        "toy",
        make("nsga2"),
        TOY,
        evaluate,
        generations=generations,
        seed=0,
        directory=RunDirectory(folder),
        bar=bar,
        on_generation=lambda archive: None,
        goal=Goal(("first", "second")),
        fields=FIELDS,
    )
    return archive.columns(TOY), bar.notes


def test_a_run_over_several_objectives_goes_on_bit_for_bit(tmp_path):
    whole, notes = run(tmp_path / "whole", 4)
    assert len(notes) == 4
    assert notes[-1].startswith("generation 4, ")
    assert notes[-1].endswith(" on the front")
    run(tmp_path / "halves", 2)
    again, _ = run(tmp_path / "halves", 4)
    assert list(again) == list(whole)
    assert list(whole)[-3:] == ["first", "second", "violations"]
    jax.tree.map(np.testing.assert_array_equal, again, whole)
    # The limit is learnt: most candidates of the last generation keep it, 1 in 4 by chance do not.
    assert whole["violations"][-16:].mean() < 0.25


def test_nsga2_survives_costs_that_are_not_finite():
    algorithm = make("nsga2")
    key = jax.random.key(0)
    state = algorithm.init(key)
    for _ in range(2):
        proposals, genotypes, state = algorithm.ask(key, state)
        told = jnp.full((16, 3), jnp.nan).at[3].set(jnp.array([1.0, 1.0, 0.0]))
        state = algorithm.tell(key, state, proposals, genotypes, told)
    assert np.isfinite(state["state"].fitness[0]).all()


def test_other_algorithms_have_one_objective():
    with pytest.raises(InputError, match="several objectives"):
        algorithms.make("CMA_ES", TOY, population=8, objectives=2)


def test_every_gene_keeps_its_choices():
    seen, _ = explore("nsga2", 3)
    assert set(itertools.chain.from_iterable(seen.tolist())) == {0, 1, 2, 3}
