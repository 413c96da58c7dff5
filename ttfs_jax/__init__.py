"""Time-to-first-spike networks in JAX, exactly equal to their ReLU twins.

Your own network: a `Plan` of the layers in `network.kinds`, `Network`, `initialise`;
`make_train` with `TrainConfig`, or `imports` of one trained elsewhere; `calibrate`, `fold`,
`compare`; `evaluate`, `layer_counts`; `Model`, `save_model`, `load`.
"""

from ttfs_jax import imports, spike_time, zoo
from ttfs_jax.evaluation.identity import compare
from ttfs_jax.evaluation.measure import evaluate
from ttfs_jax.model import Model, load, save_model
from ttfs_jax.network import (
    Architecture,
    Network,
    NetworkSpec,
    Plan,
    calibrate,
    fold,
    initialise,
    largest,
    layer_counts,
)
from ttfs_jax.spike_time import NO_SPIKE
from ttfs_jax.support import moved as _moved  # noqa: F401  old names of modules stay importable
from ttfs_jax.support.errors import InputError
from ttfs_jax.training import TrainConfig, make_train

__all__ = [
    "NO_SPIKE",
    "Architecture",
    "InputError",
    "Model",
    "Network",
    "NetworkSpec",
    "Plan",
    "TrainConfig",
    "calibrate",
    "compare",
    "evaluate",
    "fold",
    "imports",
    "initialise",
    "largest",
    "layer_counts",
    "load",
    "make_train",
    "save_model",
    "spike_time",
    "zoo",
]
__version__ = "0.1.0"
