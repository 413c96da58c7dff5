"""Checks of numbers that a person gives, before anything is computed with them."""

import operator

import jax

from ttfs_jax.support.errors import InputError

LARGEST_SEED = 2**32 - 1
LARGEST_EDGE = 4096  # pixels of a frame; no event camera has more


def check_whole(name: str, value: int, low: int, high: int) -> None:
    """Raise InputError unless `low` ≤ value ≤ `high` and the value is a whole number."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or not low <= number <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}, not {value!r}")


def check_seed(name: str, seed: int) -> None:
    """Raise InputError for a seed that is no whole number from 0 to 2³² − 1."""
    check_whole(name, seed, 0, LARGEST_SEED)


def random_key(seed: int) -> jax.Array:
    """Make a key of JAX from a seed of any size ≥ 0; different seeds below 2⁶⁴ give different keys.

    Below 2³² it is `jax.random.key(seed)`, which leaves out all higher bits.
    """
    key = jax.random.key(seed % 2**32)
    return jax.random.fold_in(key, seed >> 32) if seed >> 32 else key
