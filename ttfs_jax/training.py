"""Train one network, in either code, as a pure function that maps over a population."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from ttfs_jax import window as windows
from ttfs_jax.architecture import Architecture
from ttfs_jax.identity import layer_of, with_layer
from ttfs_jax.losses import activity, balanced_weights, cross_entropy
from ttfs_jax.network import Code, Network, Variables


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained."""

    epochs: int = 10
    """Passes over the training data."""
    batch_size: int = 128
    """Images a step."""
    learning_rate: float = 3e-3
    """Peak of the schedule: linear warm-up over the first tenth, then cosine to zero."""
    weight_decay: float = 1e-4
    """Decoupled decay of the kernels."""
    label_smoothing: float = 0.05
    """Share of the target spread over all classes."""
    activity_penalty: float = 0.0
    """Weight of the mean activation in the loss; more makes fewer spikes."""
    balanced: bool = False
    """Let every class weigh the same in the loss, however many samples it has."""


@struct.dataclass
class TrainState:
    """All that changes during training."""

    variables: Variables
    optimiser: optax.OptState
    epoch: jax.Array  # []


class Train(NamedTuple):
    """The two pure functions of one training recipe."""

    init: Callable[[Variables], TrainState]
    epoch: Callable[..., tuple[TrainState, jax.Array]]


def make_optimiser(config: TrainConfig, steps: int) -> optax.GradientTransformation:
    """Build AdamW with warm-up and cosine decay over the given number of steps.

    Source: Loshchilov & Hutter 2019 (arXiv:1711.05101).
    """
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=max(steps // 10, 1),
        decay_steps=max(steps, 2),
    )

    def kernels(params):
        return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)

    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(schedule, weight_decay=config.weight_decay, mask=kernels),
    )


def augment(images: jax.Array, key: jax.Array, *, shift: int, flip: bool) -> jax.Array:
    """Shift every image by up to `shift` pixels, zero-filled, and mirror half of them.

    Shapes: images [B, H, W, C] -> the same.
    """
    count, height, width, channels = images.shape
    key_shift, key_flip = jax.random.split(key)
    if shift:
        edge = ((0, 0), (shift, shift), (shift, shift), (0, 0))
        offsets = jax.random.randint(key_shift, (count, 2), 0, 2 * shift + 1)
        images = jax.vmap(
            lambda image, at: jax.lax.dynamic_slice(
                image, (at[0], at[1], 0), (height, width, channels)
            )
        )(jnp.pad(images, edge), offsets)
    if flip:
        mirrored = jax.random.bernoulli(key_flip, 0.5, (count, 1, 1, 1))
        images = jnp.where(mirrored, images[:, :, ::-1], images)
    return images


def class_weights(labels: jax.Array, classes: int, config: TrainConfig) -> jax.Array | None:
    """Return the weight of each class in the loss: labels [N] -> [K], or None for equal ones."""
    return balanced_weights(labels, classes=classes) if config.balanced else None


def batch_order(key: jax.Array, samples: int, batch_size: int) -> jax.Array:
    """Draw the order of one epoch: indices [steps, B]; the incomplete last batch is left out."""
    steps = samples // batch_size
    order = jax.random.permutation(key, samples)
    return order[: steps * batch_size].reshape(steps, batch_size)


def grow_windows(lengths: dict, layers: dict, *, margin: float) -> dict:
    """Lengthen the windows of all layers that would clip; see `window.grow`."""
    for name, info in layers.items():
        length = layer_of(lengths, name)["window"]
        grown = windows.grow(length, info.largest, margin=margin)
        lengths = with_layer(lengths, name, {"window": grown})
    return lengths


def make_train(
    network: Network,
    config: TrainConfig,
    *,
    samples: int,
    code: Code = "relu",
    shift: int = 0,
    flip: bool = False,
    window_margin: float = 1.0,
) -> Train:
    """Make the pure functions that train one member.

    `init(variables) -> state`; `epoch(state, architecture, images, labels, seed) -> (state,
    mean loss)` runs one pass over images [N, H, W, C], labels [N] in one dispatch. In the `relu`
    code norms use batch statistics; in the `ttfs` code the (folded) network is trained through
    its quantised spike times and the windows grow with the activations.

    Raises: ValueError when the data do not fill one batch.
    Source: training with adjusted windows, Stanojevic et al. 2024 (arXiv:2306.08744).
    """
    if samples < config.batch_size:
        raise ValueError(f"{samples} images do not fill one batch of {config.batch_size}")
    spiking = code == "ttfs"
    steps = config.epochs * (samples // config.batch_size)
    optimiser = make_optimiser(config, steps)

    def init(variables):
        return TrainState(
            variables=variables,
            optimiser=optimiser.init(variables["params"]),
            epoch=jnp.zeros((), jnp.int32),
        )

    def loss(params, variables, architecture, images, labels, weights):
        out = network.apply(
            variables | {"params": params},
            images,
            architecture,
            code=code,
            batch_statistics=not spiking,
        )
        error = cross_entropy(
            out.logits, labels, smoothing=config.label_smoothing, class_weights=weights
        )
        return error + config.activity_penalty * activity(out.layers), out.layers

    def epoch(state, architecture: Architecture, images, labels, seed):
        key = jax.random.fold_in(jax.random.key(seed), state.epoch)
        key_order, key_augment = jax.random.split(key)
        order = batch_order(key_order, samples, config.batch_size)
        weights = class_weights(labels, network.spec.classes, config)

        def step(carry, inputs):
            variables, moments = carry
            index, number = inputs
            key = jax.random.fold_in(key_augment, number)
            batch = augment(images[index], key, shift=shift, flip=flip)
            (value, layers), gradient = jax.value_and_grad(loss, has_aux=True)(
                variables["params"], variables, architecture, batch, labels[index], weights
            )
            updates, moments = optimiser.update(gradient, moments, variables["params"])
            variables = variables | {"params": optax.apply_updates(variables["params"], updates)}
            if spiking:
                grown = grow_windows(variables["windows"], layers, margin=window_margin)
                variables = variables | {"windows": grown}
            return (variables, moments), value

        (variables, moments), losses = jax.lax.scan(
            step, (state.variables, state.optimiser), (order, jnp.arange(order.shape[0]))
        )
        state = TrainState(variables=variables, optimiser=moments, epoch=state.epoch + 1)
        return state, losses.mean()

    return Train(init, epoch)
