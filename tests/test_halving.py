"""Members that are behind stop early, as many of each group, and a resumed run agrees."""

import jax
import numpy as np
import pytest
from rich.console import Console
from small_spaces import tiny_space

from benchmarks.ranking_study import shortened
from search.config import Config
from search.loop.progress import Reporter
from search.loop.run_directory import RunDirectory
from search.retraining.halving import rungs
from search.retraining.population import Retraining
from ttfs_jax.datasets import digits
from ttfs_jax.population.program import PopulationConfig
from ttfs_jax.training.recipe import TrainConfig

RECIPE = TrainConfig(epochs=3, batch_size=16)
MEMBERS = 6
# Of the first group the fourth is best, of the second the last, although it is worse than most.
GROUPS = np.array([0, 0, 0, 0, 1, 1])
QUALITY = np.array([0.8, 0.2, 0.1, 0.9, 0.0, 0.05])


@pytest.fixture(scope="module")
def members():
    data = shortened(digits.load_digits(split_seed=0), 32)
    space = tiny_space(data.image_shape, len(data.classes))
    genotypes = np.tile([1, 3, 0, 0, 0, 0], (MEMBERS, 1)).astype(np.int32)
    layout = PopulationConfig(lanes=1)
    return Retraining(space, genotypes, data, seed=0, layout=layout, groups=GROUPS)


def train(members, folder, asked):
    def rank(variables, chosen):
        assert len(jax.tree.leaves(variables)[0]) == len(chosen)
        asked.append(chosen.tolist())
        return QUALITY[chosen]

    directory = RunDirectory.resume_or_create(folder, Config())
    with Reporter(Console(quiet=True)) as reporter, reporter.bar("x", 3, unit="epochs") as bar:
        return members.train(
            "retrain",
            members.initial(),
            RECIPE,
            code="relu",
            directory=directory,
            bar=bar,
            rungs=rungs(4, RECIPE.epochs, 2),
            rank=rank,
        )


@pytest.mark.slow
def test_halving_keeps_the_best_of_each_group_and_resumes(members, tmp_path):
    asked = []
    variables, left = train(members, tmp_path / "whole", asked)
    assert asked == [[0, 1, 2, 3, 4, 5], [0, 3, 4, 5]]
    assert left.tolist() == [3, 5]
    again = []
    once_more, still = train(members, tmp_path / "whole", again)
    assert not again
    assert still.tolist() == [3, 5]
    jax.tree.map(np.testing.assert_array_equal, once_more, variables)
    log = (tmp_path / "whole" / "log.txt").read_text()
    assert log.count("nan") >= 3 + 2  # losses of members that no longer train
