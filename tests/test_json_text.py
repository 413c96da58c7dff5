"""JSON without NaN, from Python and NumPy values in any depth."""

import json
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ttfs_jax.support.json_text import dumps


class Report(NamedTuple):
    share: float
    names: tuple[str, ...]


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def test_nan_and_infinities_are_null():
    values = {
        "a": float("nan"),
        "b": [1.0, -np.inf, {"c": np.float32("nan")}],
        3: np.array([[1.5, np.nan]]),
        "whole": np.int32(7),
        "report": Report(np.inf, ("x",)),
        "yes": np.bool_(True),
    }
    assert json.loads(dumps(values), parse_constant=refuse) == {
        "a": None,
        "b": [1.0, None, {"c": None}],
        "3": [[1.5, None]],
        "whole": 7,
        "report": [None, ["x"]],
        "yes": True,
    }


LEAVES = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(TREES)
def test_everything_else_is_kept(values):
    text = dumps(values, indent=2)
    finite = json.dumps(values, indent=2)
    if "Infinity" not in finite:
        assert text == finite
    json.loads(text, parse_constant=refuse)
