"""The goal of a search: one objective or several, within limits.

Letters: n candidates, M objectives. Energy is in J, latency in s, memory in bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from search.loop import pareto
from search.loop.archive import Archive
from ttfs_jax.support.errors import InputError, unknown

RECALLS = ("fitness", "war", "uar")  # higher is better; all other scores are costs
# The score that each option of `--limits` bounds, and the value of one unit of the option.
LIMITS = {
    "energy_uj": ("energy", 1e-6),
    "latency_ms": ("latency", 1e-3),
    "synops": ("synops", 1.0),
    "params": ("params", 1.0),
    "memory_kib": ("memory", 1024.0),
    "time_steps": ("time_steps", 1.0),
}
BEYOND = 1e12  # worse than any score, and its square is still a float32


@dataclass(frozen=True)
class Goal:
    """Objectives, and limits that take precedence."""

    objectives: tuple[str, ...] = ("fitness",)
    """Names of scores."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """The largest value allowed of scores by name."""

    @property
    def several(self) -> bool:
        """Tell whether there is a front, or one best network."""
        return len(self.objectives) > 1

    @property
    def names(self) -> tuple[str, ...]:
        """List the scores of objectives and limits, each once."""
        return tuple(dict.fromkeys((*self.objectives, *self.limits)))

    @property
    def along(self) -> str:
        """Choose the objective that a front is sorted by: the first cost, or the first of all."""
        return next((name for name in self.objectives if name not in RECALLS), self.objectives[0])

    def exceeded(self, scores: Mapping[str, np.ndarray | float]) -> np.ndarray:
        """Count the limits that scores exceed: each [n] -> [n]; NaN exceeds none."""
        over = [np.asarray(scores[name]) > limit for name, limit in self.limits.items()]
        return np.sum(over, axis=0, dtype=float) if over else np.zeros(())

    def costs(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """Turn scores into costs, all to be minimised: [n, M]; recalls r become 1 − r."""
        columns = [
            1.0 - scores[name] if name in RECALLS else scores[name] for name in self.objectives
        ]
        return np.stack(columns, -1)

    def judge(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """Turn scores into what an algorithm receives: each [n] -> [n], or [n, M + 1] for several.

        One objective: its value, the sign of costs changed, and far below every value where limits
        are violated. Several: costs, and in the last column the number of limits violated; for a
        candidate outside them the costs do not matter.
        """
        violations = _violations(scores)
        beyond = violations > 0
        if self.several:
            costs = np.where(beyond[:, None], 0.0, self.costs(scores))
            return np.column_stack([costs, violations])
        return np.where(beyond, -BEYOND * violations, self._value(scores))

    def front(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """Mark candidates within the limits that none dominates: `scores` [n] each -> bool [n]."""
        return pareto.front(self.costs(scores), _violations(scores))

    def finalists(self, archive: Archive, most: int) -> np.ndarray:
        """Choose genotypes of `archive` to retrain, at most so many: [n, G].

        One objective: the best within the limits, best first, NaN as the worst. Several: from the
        front, evenly along its first cost.
        """
        scores = archive.scores
        if self.several:
            rows = np.flatnonzero(self.front(scores))
            rows = rows[np.argsort(scores[self.along][rows], kind="stable")]
            places = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
            return archive.genotypes[rows[np.unique(places)]]
        value = np.nan_to_num(self._value(scores), nan=-np.inf, posinf=-np.inf)
        order = np.argsort(-value, kind="stable")
        return archive.genotypes[order[_violations(scores)[order] <= 0][:most]]

    def describe(self, archive: Archive) -> str:
        """Describe the progress of the search of `archive`."""
        scores = archive.scores
        if self.several:
            return f"{self.front(scores).sum()} on the front"
        (name,) = self.objectives
        within = self._value(scores)[_violations(scores) <= 0]
        best = np.nanmax(within, initial=-np.inf)
        return f"best {name} {f'{best:.5f}' if name in RECALLS else f'{-best:.5g}'}"

    def volumes(self, groups: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, float]:
        """Measure the hypervolumes of the fronts of several searches in one box: 0 … 1 each.

        `groups` are their scores, by search and name. The box reaches from the best of each
        objective on any front to recalls of 0, and to a tenth of the range beyond the largest cost
        on any front, so that the worst point counts. Costs are taken as logarithms.
        """
        within = {name: self._logarithms(scores) for name, scores in groups.items()}
        seen = np.concatenate(list(within.values()))
        ideal, worst = seen.min(0), seen.max(0)
        beyond = worst + np.maximum(0.1 * (worst - ideal), 1e-3)
        reference = np.where([name in RECALLS for name in self.objectives], 1.0, beyond)
        ideal = np.minimum(ideal, reference - 1e-3)
        return {
            name: pareto.hypervolume(points, ideal=ideal, reference=reference)
            for name, points in within.items()
        }

    def _logarithms(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """Take the costs of the front, those that are not recalls as logarithms: [n, M]."""
        plain = self.costs(scores)[self.front(scores)]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where([name in RECALLS for name in self.objectives], plain, np.log10(plain))

    def _value(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        (name,) = self.objectives
        return scores[name] if name in RECALLS else -scores[name]


def _violations(scores: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return how many limits each candidate violates; none where this is not scored: [n]."""
    if "violations" in scores:
        return np.asarray(scores["violations"])
    return np.zeros(len(next(iter(scores.values()))))


def make_goal(
    objectives: tuple[str, ...], limits: Mapping[str, float | None], *, offered: Sequence[str]
) -> Goal:
    """Read a goal from options.

    `objectives` are names of the scores `offered`; `limits` have the names of `LIMITS`, and None
    for no limit.

    Raises: InputError for an unknown or repeated objective, or a limit on a score that is not
    offered.
    """
    for name in objectives:
        if name not in offered:
            raise unknown("--objectives", name, offered)
    if len(set(objectives)) < len(objectives):
        raise InputError(f"--objectives {' '.join(objectives)} names one twice: name each once")
    bounds = {}
    for option, limit in limits.items():
        score, unit = LIMITS[option]
        if limit is None:
            continue
        if score not in offered:
            raise unknown("score of --limits", score, offered)
        bounds[score] = limit * unit
    return Goal(objectives, bounds)
