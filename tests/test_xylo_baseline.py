"""How fronts compare with the baseline: small fronts by hand."""

import json

import numpy as np
import pytest

from search.loop.goal import Goal
from search.loop.pareto import hypervolume
from search.retraining.baseline import candidate, compare_front, compare_searches, in_words
from search.spaces.xylo import xylo_space

GOAL = Goal(("war", "energy"))


def scored(*rows):
    """Lay out candidates: war, uar, energy in µJ, violations."""
    war, uar, energy, violations = np.array(rows, float).T
    return {
        "war": war,
        "uar": uar,
        "energy": 1e-6 * energy,
        "latency": np.full(len(rows), 1e-3),
        "violations": violations,
    }


def one(war, uar, energy, violations=0):
    return {name: float(value[0]) for name, value in scored((war, uar, energy, violations)).items()}


#               frugal                  good                 dominated          does not fit
FRONT = scored((0.4, 0.45, 1.0, 0), (0.7, 0.65, 5.0, 0), (0.6, 0.9, 6.0, 0), (0.9, 0.9, 0.1, 1))


def test_a_baseline_between_two_networks():
    found = compare_front(FRONT, one(0.5, 0.5, 3.0), GOAL)
    assert found == {
        "dominates": False,
        "at_energy": {"war": 0.4, "uar": 0.45},
        "at_recall": {"war": pytest.approx(5e-6), "uar": pytest.approx(5e-6)},
    }


def test_a_baseline_that_is_dominated():
    found = compare_front(FRONT, one(0.5, 0.5, 8.0), GOAL)
    assert found is not None and found["dominates"]
    assert found["at_energy"] == {"war": 0.7, "uar": 0.65}
    # Equal in one objective is enough, equal in all of them is not.
    for war, dominated in ((0.3, True), (0.4, False)):
        found = compare_front(FRONT, one(war, 0.5, 1.0), GOAL)
        assert found is not None and found["dominates"] == dominated


def test_a_baseline_better_than_every_network():
    found = compare_front(FRONT, one(0.8, 0.8, 0.5), GOAL)
    assert found == {
        "dominates": False,
        "at_energy": {"war": None, "uar": None},
        "at_recall": {"war": None, "uar": None},
    }


def test_a_baseline_in_the_reference_corner_is_not_beaten_by_construction():
    """It is the most expensive network and yet, with its recall, on the front of all: a volume in a
    box that ends there is 0, and any front beats it."""
    baseline = one(0.95, 0.95, 9.0)
    corner = np.array([[1 - 0.95, np.log10(9e-6)]])
    box = {"ideal": np.array([0.0, -6.0]), "reference": np.array([1.0, np.log10(9e-6)])}
    assert hypervolume(corner, **box) == 0.0
    assert hypervolume(np.array([[0.6, -6.0]]), **box) > 0
    found = compare_front(FRONT, baseline, GOAL)
    assert found == {
        "dominates": False,
        "at_energy": {"war": 0.7, "uar": 0.65},
        "at_recall": {"war": None, "uar": None},
    }


def test_hypervolumes_of_two_fronts_by_hand():
    """Costs 0.5 at 1 µJ, and 0.25 at 10 µJ; the box ends a tenth of the range beyond, at 10^1.1."""
    fronts = {"evolution": scored((0.5, 0.5, 1.0, 0)), "random": scored((0.75, 0.5, 10.0, 0))}
    found = GOAL.volumes(fronts)
    height, width = 1 - 0.25, 1.1
    assert found["evolution"] == pytest.approx(0.5 * 1.1 / (height * width))
    assert found["random"] == pytest.approx(height * 0.1 / (height * width))
    empty = {name: value[:0] for name, value in FRONT.items()}
    assert GOAL.volumes(fronts | {"random": empty})["random"] == 0.0


def test_a_baseline_that_does_not_fit_is_not_compared():
    unknown = one(np.nan, np.nan, np.nan, 1)
    found = compare_searches({"evolution": FRONT, "random": FRONT}, unknown, GOAL)
    assert found["evolution"] is None and found["random"] is None
    assert "does not fit" in in_words(found)


def test_a_search_that_found_nothing_is_compared():
    empty = {name: value[:0] for name, value in FRONT.items()}
    found = compare_searches({"evolution": FRONT, "random": empty}, one(0.5, 0.5, 3.0), GOAL)
    assert found["random"]["at_energy"] == {"war": None, "uar": None}
    assert json.loads(json.dumps(found)) == found
    assert in_words(found) == (
        "Evolution does not dominate the baseline: WAR 0.400 at its energy or less, 5 µJ at its "
        "WAR or more. Random does not dominate the baseline: no network at its energy or less, no "
        "network at its WAR or more."
    )


def test_the_baseline_is_the_one_that_the_docs_name():
    network = candidate(xylo_space((24, 24, 8), 7, polarities=2))
    assert network.architecture["layers"] == "16-60-40"
    assert (network.window, network.steps, network.mapping) == (16, 24, "native")
