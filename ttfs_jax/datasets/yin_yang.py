"""The Yin-Yang set: points of a disc in three classes, a small task that no linear model solves."""

from typing import NamedTuple

import numpy as np

CLASSES = ("yin", "yang", "dot")
RADIUS = 0.5  # of the disc, which touches the four sides of the unit square
DOT_RADIUS = 0.1
LEFT, RIGHT = 0.5 * RADIUS, 1.5 * RADIUS  # x of the two dots, whose y is that of the disc
EARLY, LATE = 0.15, 2.0  # first and last input spike, in units of τ_syn


class Points(NamedTuple):
    """Points with their classes."""

    samples: np.ndarray  # [N, 4] float64 in 0 … 1: x, y, 1 − x, 1 − y
    labels: np.ndarray  # [N] int64


class YinYang(NamedTuple):
    """The task, split as published."""

    train: Points  # 5000
    validation: Points  # 1000
    test: Points  # 1000


def yin_yang_class(x: float, y: float) -> int:
    """Return the class of a point `x`, `y` in the disc.

    With d_l and d_r the distances to the left and the right dot, r = 0.1 and R = 0.5: class 2
    if d_l < r or d_r < r; else 1 if d_r ≤ r, or r < d_l ≤ R/2, or y > R and d_r > R/2; else 0.

    Source: Kriener et al. 2022 (arXiv:2102.08211), public source code.
    """
    left, right = _distance(x, y, LEFT), _distance(x, y, RIGHT)
    if min(left, right) < DOT_RADIUS:
        return 2
    half = 0.5 * RADIUS
    return int(right <= DOT_RADIUS or DOT_RADIUS < left <= half or (y > RADIUS and right > half))


def _distance(x: float, y: float, center: float) -> float:
    return float(np.sqrt((x - center) ** 2 + (y - RADIUS) ** 2))


def draw_points(size: int, *, seed: int) -> Points:
    """Draw points by `seed`: a class uniformly, then places until one in the disc has it.

    The order of the draws is the published one, so that equal seeds give equal arrays.

    Shapes: -> samples [size, 4], labels [size].
    Source: Kriener et al. 2022 (arXiv:2102.08211), public source code.
    """
    random = np.random.RandomState(seed)  # noqa: NPY002
    samples, labels = np.empty((size, 4)), np.empty(size, np.int64)
    for number in range(size):
        labels[number] = wanted = random.randint(len(CLASSES))
        while True:
            x, y = random.rand(2).tolist()
            if _distance(x, y, RADIUS) <= RADIUS and yin_yang_class(x, y) == wanted:
                break
        samples[number] = x, y, 1.0 - x, 1.0 - y
    return Points(samples, labels)


def load_yin_yang() -> YinYang:
    """Make the published sets: 5000 training, 1000 validation and 1000 test points.

    Source: Kriener, Göltz & Petrovici 2022, doi:10.1145/3517343.3517380 (arXiv:2102.08211).
    """
    return YinYang(
        draw_points(5000, seed=42), draw_points(1000, seed=41), draw_points(1000, seed=40)
    )


def to_times(samples: np.ndarray, *, early: float = EARLY, late: float = LATE) -> np.ndarray:
    """Encode coordinates as spike times: t = early + x (late − early), in units of τ_syn.

    Shapes: samples [..., 4] -> times [..., 4]. Every input spikes.
    Source: Göltz et al. 2021 (arXiv:1912.11443).
    """
    return early + samples * (late - early)
