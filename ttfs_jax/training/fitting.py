"""Fit the parameters of a small network by Adam in one pure function, for any loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from ttfs_jax.support.ranges import at_least, between, check_fields, whole
from ttfs_jax.training.batches import batch_order

Loss = Callable[[Any, jax.Array, jax.Array, jax.Array], jax.Array]


@dataclass(frozen=True)
class FitConfig:
    """Options of all recipes of small networks. Raises: ValueError for a value out of range."""

    epochs: int = 100
    """Passes over the training data."""
    batch_size: int = 64
    """Samples per step."""
    learning_rate: float = 1e-3
    """Peak; falls by a cosine."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes."""
    jitter: float = 0.0
    """Standard deviation of noise on the inputs in training."""

    def __post_init__(self):
        check_fields(
            self,
            epochs=whole(1),
            batch_size=whole(1),
            learning_rate=at_least(0),
            label_smoothing=between(0, 1),
            jitter=at_least(0),
        )


def in_use(sizes: Sequence[int], widths: Sequence[jax.Array]) -> list[jax.Array]:
    """Mark the neurons in use: all of the last layer, the first `widths` of each before.

    Shapes: sizes of inputs, hidden layers and outputs, widths of the hidden layers, each [] ->
    bool [N] per layer.
    """
    masks = [jnp.arange(size) < width for size, width in zip(sizes[1:-1], widths, strict=True)]
    return [*masks, jnp.ones(sizes[-1], bool)]


def fit(
    loss: Loss,
    params: Any,
    key: jax.Array,
    inputs: jax.Array,
    labels: jax.Array,
    *,
    config: FitConfig,
    weight_decay: float = 0.0,
) -> tuple[Any, jax.Array]:
    """Minimise `loss(params, inputs [B, ...], labels [B], key) -> []`: parameters, loss [epochs].

    `config` is the recipe, `weight_decay` the decoupled decay of all parameters. Batches are drawn
    without replacement in every epoch, the last incomplete one is left out; the learning rate falls
    by a cosine; gradients are clipped to a norm of 1. Traceable, so it maps over a population.

    Raises: ValueError when the samples [N, ...] do not fill one batch.
    Source: Loshchilov & Hutter 2019 (arXiv:1711.05101).
    """
    samples, batch_size, epochs = len(labels), config.batch_size, config.epochs
    if samples < batch_size:
        raise ValueError(f"{samples} samples do not fill one batch of {batch_size}")
    steps = epochs * (samples // batch_size)
    schedule = optax.cosine_decay_schedule(config.learning_rate, steps)
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=weight_decay)
    )

    def epoch(carry, number):
        key_order, key_noise = jax.random.split(jax.random.fold_in(key, number))
        order = batch_order(key_order, samples, batch_size)

        def step(carry, now):
            params, moments = carry
            index, noise = now
            value, gradient = jax.value_and_grad(loss)(params, inputs[index], labels[index], noise)
            updates, moments = optimiser.update(gradient, moments, params)
            return (optax.apply_updates(params, updates), moments), value

        carry, values = jax.lax.scan(step, carry, (order, jax.random.split(key_noise, len(order))))
        return carry, values.mean()

    (params, _), values = jax.lax.scan(epoch, (params, optimiser.init(params)), jnp.arange(epochs))
    return params, values


def shift_inputs(key: jax.Array, inputs: jax.Array, *, spread: float) -> jax.Array:
    """Shift inputs in [0, 1] by normal noise; silent ones, 0, stay silent. Shapes: like inputs.

    `key` is the randomness, `spread` the noise's standard deviation.
    """
    noisy = jnp.clip(inputs + spread * jax.random.normal(key, inputs.shape), 0.0, 1.0)
    return jnp.where(inputs > 0, noisy, 0.0)
