"""The options of training one network."""

from dataclasses import dataclass

from ttfs_jax.support.devices import Products
from ttfs_jax.support.ranges import at_least, below, between, check_fields, whole


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained. Raises: ValueError for a value out of range.

    Examples:
        >>> from ttfs_jax import TrainConfig
        >>> TrainConfig(epochs=3).epochs
        3
    """

    epochs: int = 10
    """Passes over the training data."""
    batch_size: int = 128
    """Images per step."""
    learning_rate: float = 3e-3
    """Peak, after a linear warm-up; falls to zero by a cosine."""
    warmup: float = 0.1
    """Share of the steps in the warm-up, at least one step."""
    weight_decay: float = 1e-4
    """Decoupled decay of the kernels."""
    label_smoothing: float = 0.05
    """Share of the target spread over all classes."""
    activity_penalty: float = 0.0
    """Weight of the mean activation in the loss; a larger one gives fewer spikes."""
    balanced: bool = False
    """Give every class the same weight in the loss, regardless of its number of samples."""
    quantised: bool = True
    """Train through the time steps of the spikes; otherwise in continuous time (`ttfs` code)."""
    grow_windows: bool = True
    """Let windows grow with the activations (`ttfs` code)."""
    products: Products = "float32"
    """Precision of factors in matrix products in training; bfloat16 speeds up accelerators."""

    def __post_init__(self):
        check_fields(
            self,
            epochs=whole(0),
            batch_size=whole(1),
            learning_rate=at_least(0),
            warmup=below(1),
            weight_decay=at_least(0),
            label_smoothing=between(0, 1),
            activity_penalty=at_least(0),
        )
