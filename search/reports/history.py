"""The front of a finished search, read from the history of its candidates."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from search.loop.goal import Goal


def front_of(history: pa.Table, objectives: Sequence[str]) -> np.ndarray:
    """Mark the candidates within the limits that no other beats in all objectives: bool [n]."""
    names = {*objectives, "violations"} & set(history.column_names)
    scores = {name: np.asarray(history[name]) for name in names}
    return Goal(tuple(objectives)).front(scores)


def write_front(path: Path, history: pa.Table, objectives: Sequence[str]) -> None:
    """Write the candidates of the front as a table, sorted by their first cost."""
    front = history.filter(pa.array(front_of(history, objectives)))
    along = Goal(tuple(objectives)).along
    pa_csv.write_csv(front.sort_by(along).drop_columns(["genotype"]), path)
