"""Networks: plans of layers and all that is derived from them; pure functions of an architecture.

The layers of a plan are in `kinds`.
"""

from ttfs_jax.network import kinds
from ttfs_jax.network.architecture import Architecture, NetworkSpec, largest
from ttfs_jax.network.conversion import calibrate, fold
from ttfs_jax.network.counts import layer_counts
from ttfs_jax.network.masked import Network, Output, Variables, initialise
from ttfs_jax.network.plan import Plan
from ttfs_jax.network.timeline import make_timeline

__all__ = [
    "Architecture",
    "Network",
    "NetworkSpec",
    "Output",
    "Plan",
    "Variables",
    "calibrate",
    "fold",
    "initialise",
    "kinds",
    "largest",
    "layer_counts",
    "make_timeline",
]
