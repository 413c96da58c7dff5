"""Data of a finished search for reports: its front, and the names of the classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from search.loop.goal import Goal


def front_of(history: pa.Table, objectives: Sequence[str]) -> np.ndarray:
    """Mark the candidates within the limits that no other beats in all objectives: bool [n].

    `history` are the columns of the candidates.
    """
    names = {*objectives, "violations"} & set(history.column_names)
    scores = {name: np.asarray(history[name]) for name in names}
    return Goal(tuple(objectives)).front(scores)


def write_front(path: Path, history: pa.Table, objectives: Sequence[str]) -> None:
    """Write the candidates of the front as a table, sorted by their first cost.

    `history` are the columns of the candidates, `objectives` those of the front; the table goes to
    `path`.
    """
    front = history.filter(pa.array(front_of(history, objectives)))
    along = Goal(tuple(objectives)).along
    pa_csv.write_csv(front.sort_by(along).drop_columns(["genotype"]), path)


def class_names(metrics: dict[str, Any], known: Sequence[str]) -> list[str]:
    """Return the names of the classes in a run's `metrics`, in the order of their labels.

    Runs from before metrics.json had `classes` use those `known` from elsewhere.
    """
    return list(metrics.get("classes", known))
