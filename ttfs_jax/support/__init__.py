"""What every room needs and none is about: errors, files, caches, devices, the command line."""

import jax
import numpy as np

Array = jax.Array | np.ndarray  # of fields and arguments that may be either

__all__ = ["Array"]
