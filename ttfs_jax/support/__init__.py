"""Utilities of all rooms: errors, files, caches, devices, the command line."""

import jax
import numpy as np

from ttfs_jax.support.errors import InputError

Array = jax.Array | np.ndarray  # of fields and arguments that may be either

__all__ = ["Array", "InputError"]
