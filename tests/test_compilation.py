"""However many generations a search has, it compiles the same programs once."""

import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from search.config import Config
from search.loop import algorithms, evolution
from search.loop.goal import Goal
from search.loop.progress import Reporter
from search.loop.run_directory import RunDirectory
from search.spaces.convolutional import conv_space
from search.strategies.inherited.scores import FIELDS, Scores
from ttfs_jax.population.program import Program

SPACE = conv_space((8, 8, 1), 10)


def search(folder, evaluate, name, generations):
    with Reporter(Console(quiet=True)) as reporter, reporter.bar("x", 1, unit="x") as bar:
        return evolution.run_generations(
            name,
            algorithms.make(name, SPACE, population=8),
            SPACE,
            evaluate,
            goal=Goal(),
            fields=FIELDS,
            generations=generations,
            seed=0,
            directory=RunDirectory.create(folder, Config()),
            bar=bar,
            on_generation=lambda archive: None,
            budget=8 * generations - 3,
        )


@pytest.mark.parametrize("name", ["genetic", "random"])
def test_more_generations_compile_no_more_programs(name, tmp_path, compiled):
    def score(genotype, _):
        return Scores(*[genotype.sum().astype(jnp.float32)] * len(FIELDS))

    before = len(compiled)
    program = Program(score, np.zeros((8, len(SPACE.genes)), np.int32), ())
    assert len(compiled) > before  # compilations are seen
    compiled_by_evaluate = []

    def evaluate(genotypes):
        before = len(compiled)
        scores = program(genotypes, ())
        compiled_by_evaluate.append(len(compiled) - before)
        return vars(scores)

    found = {}
    programs = {}
    for generations in (3, 4, 12):  # the first one warms the caches that all searches share
        before = len(compiled)
        found[generations] = search(tmp_path / str(generations), evaluate, name, generations)
        programs[generations] = len(compiled) - before
    assert [len(archive) for archive in found.values()] == [21, 29, 93]
    assert programs[4] == programs[12]
    # The last generation of each is cut to the budget, and compiles nothing either.
    assert not any(compiled_by_evaluate)
    np.testing.assert_array_equal(found[3].genotypes, found[12].genotypes[:21])
