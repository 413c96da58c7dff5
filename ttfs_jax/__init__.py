"""Time-to-first-spike networks in JAX, exactly equal to their ReLU twins."""

from ttfs_jax import spike_time
from ttfs_jax.model import Model, load
from ttfs_jax.network.architecture import Architecture, NetworkSpec
from ttfs_jax.network.masked import Network
from ttfs_jax.spike_time import NO_SPIKE
from ttfs_jax.support import moved as _moved  # noqa: F401  old names of modules stay importable
from ttfs_jax.support.errors import InputError

__all__ = [
    "NO_SPIKE",
    "Architecture",
    "InputError",
    "Model",
    "Network",
    "NetworkSpec",
    "load",
    "spike_time",
]
__version__ = "0.1.0"
