"""The fixed baseline network, and how the fronts of a search compare with it.

One network spans no front, so it is not compared by hypervolume, but point by point: whether it is
dominated, the recalls of networks at its energy, and the energy of those at its recalls.
"""

from typing import Any

import numpy as np

from search.loop.goal import Goal
from search.spaces.features import Features
from search.spaces.xylo import BASELINE, Candidate, XyloSpace

RECALLS = ("war", "uar")


def candidate(space: XyloSpace) -> Candidate:
    """Describe the baseline in a `space`: 4 × 4 cells, 16-60-40, 16 of 24 steps, native."""
    grids = space.grids
    number = grids.index(Features(4, 4)) if Features(4, 4) in grids else 0
    return Candidate(grids[number], number, BASELINE, 16, 24, 4, 5, "native")


def compare_front(
    scores: dict[str, np.ndarray], baseline: dict[str, float], goal: Goal
) -> dict[str, Any] | None:
    """Compare the front of a search with the baseline, trained and scored equally: JSON values.

    `goal` has the objectives. `scores` are those of all candidates, each [n]; only the front is
    used, whose networks fit. `dominates`: some network is at least as good in every objective and
    better in one. `at_energy`: the best of each recall at the baseline's energy or less.
    `at_recall`: the least energy in J at the baseline's recall or more. None where there is no such
    network, and for all if the baseline does not fit.
    """
    if not baseline["violations"] <= 0:
        return None
    costs = goal.costs(scores)
    rows = goal.front(scores)
    alone = goal.costs({name: np.array([value]) for name, value in baseline.items()})[0]
    costs = costs[rows]
    better = (costs <= alone).all(1) & (costs < alone).any(1)
    energy = scores["energy"][rows]
    frugal = energy <= baseline["energy"]
    at_energy, at_recall = {}, {}
    for name in RECALLS:
        recall = scores[name][rows]
        at_energy[name] = max(recall[frugal].tolist(), default=None)
        at_recall[name] = min(energy[recall >= baseline[name]].tolist(), default=None)
    return {"dominates": bool(better.any()), "at_energy": at_energy, "at_recall": at_recall}


def compare_searches(
    groups: dict[str, dict[str, np.ndarray]], baseline: dict[str, float], goal: Goal
) -> dict[str, Any]:
    """Compare several searches with the baseline: its own scores and one entry per search.

    `groups` are the scores of all candidates of each search by name; see `compare_front`. `goal`
    has the objectives.
    """
    own = {name: float(baseline[name]) for name in (*RECALLS, "energy", "latency")}
    rows = {name: compare_front(scores, baseline, goal) for name, scores in groups.items()}
    return {"baseline": own, **rows}


def in_words(comparison: dict[str, Any]) -> str:
    """Say how the searches compare with the baseline, in one sentence per search.

    `comparison` is what `compare_searches` returned.
    """
    parts = []
    for name in ("evolution", "random"):
        row = comparison[name]
        if row is None:
            return "The baseline does not fit the chip or the limits."
        verb = "dominates" if row["dominates"] else "does not dominate"
        war, energy = row["at_energy"]["war"], row["at_recall"]["war"]
        best = "no network" if war is None else f"WAR {war:.3f}"
        least = "no network" if energy is None else f"{1e6 * energy:.3g} µJ"
        parts.append(
            f"{name.capitalize()} {verb} the baseline: {best} at its energy or less, {least} at "
            "its WAR or more."
        )
    return " ".join(parts)
