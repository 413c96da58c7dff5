"""What a search is after: costs, limits, fronts and finalists, by hand."""

import numpy as np
import pytest

from search.loop.archive import Archive
from search.loop.goal import BEYOND, Goal, make_goal
from ttfs_jax.support.errors import InputError

OFFERED = ("fitness", "war", "uar", "energy", "synops")


def archive_of(**scores):
    """Make an archive whose genotypes are the numbers of its rows."""
    archive = Archive(1, tuple(scores))
    number = len(next(iter(scores.values())))
    values = {name: np.array(column, float) for name, column in scores.items()}
    archive.add(np.arange(number, dtype=np.int32)[:, None], 0, values)
    return archive


def numbers(genotypes):
    return genotypes[:, 0].tolist()


def test_costs_by_hand():
    scores = {"war": np.array([0.75]), "energy": np.array([2e-6]), "uar": np.array([0.5])}
    np.testing.assert_allclose(Goal(("war", "energy")).costs(scores), [[0.25, 2e-6]])
    logarithms = Goal(("uar", "energy"))._logarithms(scores)
    np.testing.assert_allclose(logarithms, [[0.5, np.log10(2e-6)]])


def test_a_goal_is_read_from_options():
    goal = make_goal(("war", "energy"), {"energy_uj": 2.0, "synops": None}, offered=OFFERED)
    assert goal == Goal(("war", "energy"), {"energy": pytest.approx(2e-6)})
    assert goal.names == ("war", "energy")
    assert goal.along == "energy"
    assert not make_goal(("war",), {}, offered=OFFERED).several
    for names, words in (("war energie", "did you mean energy"), ("war war", "one twice")):
        with pytest.raises(InputError, match=words):
            make_goal(tuple(names.split()), {}, offered=OFFERED)
    with pytest.raises(InputError, match="'memory'"):
        make_goal(("war",), {"memory_kib": 3.0}, offered=OFFERED)


def test_limits_are_counted_and_nan_is_beyond_none():
    goal = Goal(("war",), {"energy": 2.0, "synops": 10.0})
    scores = {"energy": np.array([1.0, 3.0, 3.0, np.nan]), "synops": np.array([10.0, 1, 11, 1])}
    assert goal.exceeded(scores).tolist() == [0, 1, 2, 0]
    assert Goal().exceeded(scores) == 0


def test_one_objective_is_told_as_it_is():
    fitness = np.array([0.5, np.nan, 0.25])
    np.testing.assert_array_equal(Goal().judge({"fitness": fitness}), fitness)
    np.testing.assert_array_equal(Goal(("energy",)).judge({"energy": fitness}), -fitness)
    limited = {"fitness": fitness, "violations": np.array([2, 1, 0])}
    np.testing.assert_array_equal(Goal().judge(limited), [-2 * BEYOND, -BEYOND, 0.25])


def test_several_objectives_are_told_with_their_violations():
    scores = {"war": np.array([0.5, 0.9]), "energy": np.array([2.0, 1.0])}
    told = Goal(("war", "energy")).judge(scores | {"violations": np.array([0, 3])})
    np.testing.assert_array_equal(told, [[0.5, 2.0, 0], [0, 0, 3]])


def test_finalists_of_one_objective():
    archive = archive_of(fitness=[0.2, np.nan, 0.9, 0.9, 0.5])
    assert numbers(Goal().finalists(archive, 3)) == [2, 3, 4]
    assert numbers(Goal().finalists(archive, 9)) == [2, 3, 4, 0, 1]
    assert Goal().describe(archive) == "best fitness 0.90000"
    limited = archive_of(fitness=[0.2, 0.9, 0.5], violations=[0, 1, 0])
    assert numbers(Goal().finalists(limited, 3)) == [2, 0]
    assert Goal().describe(limited) == "best fitness 0.50000"
    cheap = Goal(("energy",))
    assert numbers(cheap.finalists(archive_of(energy=[3.0, 1.0, 2.0]), 2)) == [1, 2]
    assert cheap.describe(archive_of(energy=[3.0, 1.5])) == "best energy 1.5"


def test_finalists_of_several_objectives_lie_evenly_along_the_front():
    goal = Goal(("war", "energy"))
    archive = archive_of(
        war=[0.1, 0.4, 0.3, 0.2, 0.1, 0.9],
        energy=[1.0, 4.0, 3.0, 2.0, 5.0, 0.1],
        violations=[0, 0, 0, 0, 0, 1],
    )
    assert numbers(goal.finalists(archive, 9)) == [0, 3, 2, 1]
    assert numbers(goal.finalists(archive, 2)) == [0, 1]
    assert goal.describe(archive) == "4 on the front"
