"""Train a dense ReLU network, to be read in spike times, as a pure function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from ttfs_jax.network.dense import Dense, init_dense, relu
from ttfs_jax.support.ranges import at_least, check_fields
from ttfs_jax.tasks.losses import cross_entropy
from ttfs_jax.training.fitting import FitConfig, fit, in_use, shift_inputs


@dataclass(frozen=True)
class DenseTrainConfig(FitConfig):
    """How a dense network is trained. Raises: ValueError for a value out of range."""

    epochs: int = 150
    """Passes over the training data."""
    learning_rate: float = 5e-3
    """Peak; falls by a cosine."""
    jitter: float = 0.03
    """Standard deviation of noise on the inputs in training."""
    weight_decay: float = 1e-3
    """Decoupled decay of weights and biases; small ones need fewer of the chip's 16 bits."""

    def __post_init__(self):
        super().__post_init__()
        check_fields(self, weight_decay=at_least(0))


def make_dense_train(
    sizes: Sequence[int], config: DenseTrainConfig
) -> Callable[..., tuple[tuple[Dense, ...], jax.Array]]:
    """Make `train(key, widths, inputs, labels) -> layers, loss [epochs]`, pure and unbatched.

    `config` is the recipe; `sizes` are the largest: inputs, hidden layers, classes; of each hidden
    layer the first `widths` neurons are in use, the others have weights and biases 0. inputs [N, I]
    in [0, 1], labels [N].

    Raises: ValueError when the data do not fill one batch.
    """

    def train(key, widths, inputs, labels):
        masks = in_use(sizes, widths)

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
            init_dense(key_init, sizes),
            key_train,
            inputs,
            labels,
            config=config,
            weight_decay=config.weight_decay,
        )
        return masked(layers), values

    return train
