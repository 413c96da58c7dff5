"""Train a dense ReLU network, to be read in spike times, as a pure function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from ttfs_jax.dense import Dense, init, relu
from ttfs_jax.fitting import fit, shift_inputs
from ttfs_jax.losses import cross_entropy


@dataclass(frozen=True)
class DenseTrainConfig:
    """How a dense network is trained. Raises: ValueError for a value out of range."""

    epochs: int = 150
    """Passes over the training data."""
    batch_size: int = 64
    """Samples a step."""
    learning_rate: float = 5e-3
    """Peak; falls by a cosine."""
    weight_decay: float = 1e-3
    """Decoupled decay of weights and biases; small ones need less of the chip's 16 bits."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes."""
    jitter: float = 0.03
    """Standard deviation of noise on the inputs in training."""

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("learning_rate", "weight_decay", "label_smoothing", "jitter"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be ≥ 0, not {getattr(self, name)}")


def make_train(
    sizes: Sequence[int], config: DenseTrainConfig
) -> Callable[..., tuple[tuple[Dense, ...], jax.Array]]:
    """Make `train(key, widths, inputs, labels) -> layers, loss [epochs]`, pure and unbatched.

    `sizes` are the largest: inputs, hidden layers, classes; of each hidden layer the first
    `widths` neurons are in use, the others have weights and biases 0. inputs [N, I] in [0, 1],
    labels [N].

    Raises: ValueError when the data do not fill one batch.
    """

    def train(key, widths, inputs, labels):
        masks = [jnp.arange(size) < widths[n] for n, size in enumerate(sizes[1:-1])]
        masks.append(jnp.ones(sizes[-1], bool))

        def masked(layers):
            return tuple(
                Dense(jnp.where(mask[None], kernel, 0.0), jnp.where(mask, bias, 0.0))
                for (kernel, bias), mask in zip(layers, masks, strict=True)
            )

        def loss(layers, batch, targets, noise):
            logits, _ = relu(masked(layers), shift_inputs(noise, batch, spread=config.jitter))
            return cross_entropy(logits, targets, smoothing=config.label_smoothing)

        key_init, key_train = jax.random.split(key)
        layers, values = fit(
            loss,
            init(key_init, sizes),
            key_train,
            inputs,
            labels,
            epochs=config.epochs,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        return masked(layers), values

    return train
