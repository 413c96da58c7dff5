"""What an algorithm proposes is canonical, and every network is evaluated once."""

import math
from functools import cache

import jax
import numpy as np
import pytest
from rich.console import Console
from small_spaces import SMALL, everything, network_of_blocks

from search.loop import algorithms, evolution
from search.loop.goal import Goal
from search.loop.progress import Reporter
from search.loop.run_directory import RunDirectory
from search.strategies.inherited.scores import FIELDS
from ttfs_jax.support.errors import InputError


@cache
def make(name):
    # Every instance is compiled anew.
    return algorithms.make(name, SMALL, population=4)


@pytest.mark.parametrize("name", ["genetic", "random", "CMA_ES"])
def test_genotypes_of_a_proposal_are_canonical(name):
    algorithm = make(name)
    canonical_before = []
    with jax.numpy_rank_promotion("allow"):
        state = algorithm.init(jax.random.key(0))
        for generation in range(6):
            key = jax.random.fold_in(jax.random.key(1), generation)
            proposals, genotypes, state = algorithm.ask(key, state)
            canonical = SMALL.canonical(np.asarray(genotypes))
            np.testing.assert_array_equal(genotypes, canonical)
            if name == "CMA_ES":  # its proposals stay the logits that it drew
                arg_max = algorithm._decode(proposals)
                canonical_before.append(np.array_equal(arg_max, canonical))
                np.testing.assert_array_equal(SMALL.canonical(np.asarray(arg_max)), canonical)
            else:
                np.testing.assert_array_equal(proposals, canonical)
            state = algorithm.tell(key, state, proposals, genotypes, genotypes.sum(1) * 1.0)
    assert not (canonical_before and all(canonical_before))


@pytest.mark.parametrize("name", ["genetic", "random"])
def test_a_nearly_exhausted_space_gives_its_last_networks(name):
    algorithm = make(name)
    distinct = np.unique(SMALL.canonical(everything(SMALL)), axis=0)
    for left in ([0, 5], [12]):
        seen = set(map(tuple, np.delete(distinct, left, 0).tolist()))
        asked = np.repeat(distinct[:1] if 0 not in left else distinct[1:2], len(left), 0)
        found = algorithm.fresh(jax.random.key(3), asked, seen)
        assert set(map(tuple, found.tolist())) == set(map(tuple, distinct[left].tolist()))
        with pytest.raises(InputError, match="13 architectures only"):
            algorithm.fresh(jax.random.key(3), np.repeat(asked, 2, 0), seen)


def test_fresh_knows_a_network_by_each_of_its_genotypes():
    algorithm = make("genetic")
    twins = np.array([[0, 1, 0, 0, 0], [1, 0, 0, 0, 0]], np.int32)
    found = algorithm.fresh(jax.random.key(0), twins, set())
    np.testing.assert_array_equal(found[0], twins[1])
    assert found[1].tolist() != twins[1].tolist()
    np.testing.assert_array_equal(SMALL.canonical(found), found)
    for twin in twins:
        again = algorithm.fresh(jax.random.key(0), twins[:1], {tuple(twin.tolist())})
        assert again[0].tolist() != twins[1].tolist()


def test_random_search_stays_uniform_when_it_replaces():
    """Of 13 networks one is seen: each of the others comes as often as every other."""
    algorithm = make("random")
    seen = (0,) * len(SMALL.genes)
    asked = np.array([seen], np.int32)
    found = [
        tuple(algorithm.fresh(jax.random.key(n), asked, {seen})[0].tolist()) for n in range(2400)
    ]
    _, counts = np.unique(found, axis=0, return_counts=True)
    assert len(counts) == 12
    np.testing.assert_allclose(counts, 200, atol=5 * math.sqrt(200))


@pytest.mark.parametrize("name", ["genetic", "random", "CMA_ES"])
def test_an_archive_holds_every_network_once(name, tmp_path):
    evaluated = []

    def score(genotypes):
        evaluated.extend(map(tuple, genotypes.tolist()))
        values = genotypes.sum(1).astype(float)
        return dict.fromkeys(FIELDS, values)

    folder = tmp_path / "run"
    folder.mkdir()
    with (
        jax.numpy_rank_promotion("allow"),
        Reporter(Console(quiet=True)) as reporter,
        reporter.bar("x", 1, unit="x") as bar,
    ):
        archive = evolution.run_generations(
            name,
            make(name),
            SMALL,
            score,
            goal=Goal(),
            fields=FIELDS,
            generations=3,
            seed=0,
            directory=RunDirectory(folder),
            bar=bar,
            on_generation=lambda archive: None,
        )
    rows = archive.genotypes
    np.testing.assert_array_equal(SMALL.canonical(rows), rows)
    assert len(set(map(tuple, rows.tolist()))) == len(rows)
    assert evaluated == list(map(tuple, rows.tolist()))
    if name != "CMA_ES":  # it repeats itself, how often depends on rounding
        assert len(rows) == 12
    best = Goal().finalists(archive, 6).tolist()
    assert len(best) == min(6, len(rows))
    assert len({network_of_blocks(SMALL, genotype) for genotype in best}) == len(best)
