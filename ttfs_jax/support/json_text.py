"""JSON that every reader accepts: NaN and infinities become null."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def without_nan(values: Any) -> Any:
    """Replace NaN and infinities by None, NumPy scalars and arrays by plain values, at all depths.

    Tuples become lists, keys text.
    """
    if isinstance(values, Mapping):
        return {str(key): without_nan(value) for key, value in values.items()}
    if isinstance(values, np.ndarray | np.generic):
        return without_nan(values.tolist())
    if isinstance(values, list | tuple):
        return [without_nan(value) for value in values]
    if isinstance(values, float) and not math.isfinite(values):
        return None
    return values


def dumps(values: Any, *, indent: int | None = None) -> str:
    """Write values as JSON by RFC 8259, which has no NaN: these become null.

    Lines are indented by `indent` spaces, or it is one line.
    """
    return json.dumps(without_nan(values), indent=indent, allow_nan=False)
