"""How the arguments of all solvers are read: one precision, one set of checks.

All inputs (lists, integers, half or double precision, traced or not) are computed in float64 if any
array among the arguments is float64, and in float32 otherwise; Python numbers follow. Conversions
are JAX's own, so every cotangent has the type of its argument.
"""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ttfs_jax.support.errors import InputError


def _as_array(name: str, value) -> jax.Array | np.ndarray:
    """Read one argument; what is not a JAX array stays in NumPy, where no precision is lost."""
    if hasattr(value, "__jax_array__") or any(
        isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value)
    ):
        array = jnp.asarray(value)
    else:
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise InputError(f"{name} must be an array of numbers: {error}") from error
    kinds = (jnp.floating, jnp.integer, jnp.bool_)
    if not any(jnp.issubdtype(array.dtype, kind) for kind in kinds):
        raise InputError(f"{name} must be real numbers, not {array.dtype}")
    return array


def _is_double(value, array) -> bool:
    """Tell whether an argument requires float64; a Python number does not."""
    weak = type(value) in (bool, int, float) or getattr(array, "weak_type", False)
    return not weak and jnp.issubdtype(array.dtype, jnp.floating) and array.dtype.itemsize >= 8


def check_positive(name: str, value, dtype=None) -> None:
    """Check a `value` that is not traced: all above 0, in `dtype`.

    Raises: InputError, which calls the value `name`.
    """
    value = _as_array(name, value)
    if isinstance(value, Tracer):
        return
    # With NumPy: under jit an operation of JAX on a constant is traced too.
    values = np.asarray(value)
    wrong = values[~(values.astype(dtype or values.dtype) > 0)]
    if wrong.size:
        raise InputError(f"{name} must be above 0, not {wrong.flat[0]}")


def promote(*, positive: Iterable[str] = (), **values) -> list[Any]:
    """Return the arguments, `values` by name, as arrays of one floating type, in order.

    None stays None.

    Arguments named in `positive` are checked; where they are traced, and so unknown, an element
    that is not above 0 becomes NaN, so that it is visible.

    Raises: InputError for anything but real numbers, and for a `positive` one not above 0.
    """
    given = {name: value for name, value in values.items() if value is not None}
    arrays = {name: _as_array(name, value) for name, value in given.items()}
    double = any(_is_double(given[name], array) for name, array in arrays.items())
    dtype = jax.dtypes.canonicalize_dtype(np.float64 if double else np.float32)
    for name in positive:
        check_positive(name, arrays[name], dtype)
    arrays = {name: jnp.asarray(array.astype(dtype)) for name, array in arrays.items()}
    for name in positive:
        if isinstance(arrays[name], Tracer):
            arrays[name] = jnp.where(arrays[name] > 0, arrays[name], jnp.nan)
    return [arrays.get(name) for name in values]


def check_layer(times, weights) -> None:
    """Check that times are [I] and weights [I, O]. Raises: InputError when they are not."""
    if times.ndim != 1 or weights.ndim != 2 or weights.shape[0] != times.shape[0]:
        raise InputError(
            f"a solver needs times [I] and weights [I, O], not {times.shape} and "
            f"{weights.shape}; add a batch with jax.vmap or jax.lax.map"
        )


def per_neuron(name: str, value: Any, outputs: int) -> jax.Array:
    """Repeat a constant for every neuron: `value` [] or [O] -> [O], with O = `outputs`.

    Raises: InputError for another shape; it calls the value `name`.
    """
    if value.shape not in ((), (outputs,)):
        raise InputError(f"{name} must be [] or [{outputs}], not {value.shape}")
    return jnp.broadcast_to(value, (outputs,))


def static_number(name: str, value) -> float:
    """Read a number that the program is compiled for: `value`, called `name` in messages.

    Raises: InputError if it is not a number, or if it is traced, as an argument of jit, grad or
    vmap is.
    """
    if isinstance(value, Tracer):
        raise InputError(
            f"{name} is a traced value, but this solver is compiled for one {name} and has no "
            "gradient by it: give a plain number, by functools.partial or `static_argnames`"
        )
    number = np.asarray(value)
    if number.ndim or not (jnp.issubdtype(number.dtype, np.number) or number.dtype == bool):
        raise InputError(f"{name} must be one number, not {value}")
    return float(number)


def time_constant(name: str, value) -> float:
    """Read a time constant: `value`, called `name` in messages.

    Raises: InputError if it is traced, not above 0, or not finite.
    """
    number = static_number(name, value)
    if not 0.0 < number < np.inf:
        raise InputError(f"time constants must be above 0 and finite: {name} is {number}")
    return number
