"""The options of training one network."""

from dataclasses import dataclass
from typing import Literal, get_args

from ttfs_jax.support.devices import Products
from ttfs_jax.support.ranges import OneOf, above, at_least, below, between, check, whole

Schedule = Literal["cosine", "one-cycle-linear"]


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained. Raises: ValueError for a value out of range."""

    epochs: int = 10
    """Passes over the training data."""
    batch_size: int = 128
    """Images per step."""
    learning_rate: float = 3e-3
    """Peak of the schedule."""
    schedule: Schedule = "cosine"
    """How the learning rate falls to zero after its linear warm-up: by a cosine or a line."""
    warmup: float = 0.1
    """Share of the steps that the warm-up takes, one step at least."""
    weight_decay: float = 1e-4
    """Decoupled decay of the kernels."""
    label_smoothing: float = 0.05
    """Share of the target spread over all classes."""
    activity_penalty: float = 0.0
    """Weight of the mean activation in the loss; more makes fewer spikes."""
    balanced: bool = False
    """Let every class weigh the same in the loss, however many samples it has."""
    erase: float = 0.0
    """Largest share of a training image that a black rectangle covers; 0 = off."""
    mixup: float = 0.0
    """α of the Beta distribution by which pairs of training images are blended; 0 = off."""
    average: float = 0.0
    """Decay per step of the moving average of the weights that is kept in the end; 0 = off."""
    distil: float = 0.0
    """Weight of the teacher's probabilities in the loss, the labels having the rest; 0 = off."""
    temperature: float = 4.0
    """Softens the probabilities of teacher and student alike."""
    quantised: bool = True
    """Train through the time steps of the spikes; otherwise in continuous time (`ttfs` code)."""
    grow_windows: bool = True
    """Let windows grow with the activations (`ttfs` code)."""
    products: Products = "float32"
    """Factors of matrix products in training; bfloat16 is for accelerators, which it speeds up."""

    def __post_init__(self):
        check(
            self,
            epochs=whole(0),
            batch_size=whole(1),
            learning_rate=at_least(0),
            schedule=OneOf(get_args(Schedule)),
            warmup=below(1),
            weight_decay=at_least(0),
            label_smoothing=between(0, 1),
            activity_penalty=at_least(0),
            erase=below(1),
            mixup=at_least(0),
            average=below(1),
            distil=between(0, 1),
            temperature=above(0),
            products=OneOf(get_args(Products)),
        )
