"""Train one network, in `relu` or `ttfs` code, as a pure function that maps over a population."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import optax
from flax import struct

from ttfs_jax.codes import Code, find_code
from ttfs_jax.codes import window as windows
from ttfs_jax.network.architecture import Architecture
from ttfs_jax.network.layers import layer_of, with_layer
from ttfs_jax.network.masked import Network, Output, Variables
from ttfs_jax.support.devices import Products, multiply_in
from ttfs_jax.support.ranges import OneOf, above, at_least, below, between, check, whole
from ttfs_jax.training.augmentation import augment, mixup
from ttfs_jax.training.batches import batch_order
from ttfs_jax.training.distillation import Teacher, divergence
from ttfs_jax.training.losses import activity, balanced_weights, cross_entropy

Schedule = Literal["cosine", "one-cycle-linear"]
TINY = 1e-30  # keeps the logarithm of a probability finite


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


@struct.dataclass
class TrainState:
    """All that changes during training."""

    variables: Variables
    optimiser: optax.OptState
    epoch: jax.Array  # []
    average: dict | None = None  # moving average of `params`, if the recipe has one

    @property
    def final(self) -> Variables:
        """Give the variables that training ends with: the average, or else the last ones.

        Only weights are averaged: windows stay the last ones, which hold all activations.
        """
        return self.variables if self.average is None else self.variables | {"params": self.average}


class Train(NamedTuple):
    """The two pure functions of one training recipe."""

    init: Callable[[Variables], TrainState]
    epoch: Callable[..., tuple[TrainState, jax.Array]]


def make_schedule(config: TrainConfig, steps: int) -> optax.Schedule:
    """Build the learning rate by step: 0 at first, the peak after the warm-up, 0 after `steps`.

    Source: one cycle, Smith & Topin 2017 (arXiv:1708.07120); the line to zero as in Page 2018
    ("How to train your ResNet"); cosine, Loshchilov & Hutter 2017 (arXiv:1608.03983).
    """
    rising, steps = max(int(config.warmup * steps), 1), max(steps, 2)
    peak = config.learning_rate
    if config.schedule == "cosine":
        return optax.warmup_cosine_decay_schedule(0.0, peak, rising, steps)
    up = optax.linear_schedule(0.0, peak, rising)
    down = optax.linear_schedule(peak, 0.0, steps - rising)
    return optax.join_schedules([up, down], [rising])


def make_optimiser(config: TrainConfig, steps: int) -> optax.GradientTransformation:
    """Build AdamW with the config's schedule over the given number of steps.

    Source: Loshchilov & Hutter 2019 (arXiv:1711.05101).
    """
    schedule = make_schedule(config, steps)

    def kernels(params):
        return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)

    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(schedule, weight_decay=config.weight_decay, mask=kernels),
    )


def class_weights(labels: jax.Array, classes: int, config: TrainConfig) -> jax.Array | None:
    """Return the weight of each class in the loss: labels [N] -> [K], or None for equal ones."""
    return balanced_weights(labels, classes=classes) if config.balanced else None


def averaged(average: dict, params: dict, step: jax.Array, *, decay: float) -> dict:
    """Take the weights of step t = 1, 2, … into their moving average, without a bias.

    m ← m + (1 − d) / (1 − d^t) (p − m), which is Σ_i d^(t−i) p_i / Σ_i d^(t−i) over all steps i
    so far: the weights before the first step do not count.

    Source: the bias correction of Kingma & Ba 2015, sec. 3 (arXiv:1412.6980), in running form.
    """
    # 1 − d^t would cancel in single precision for a decay near 1.
    share = (1.0 - decay) / -jnp.expm1(step * math.log(decay))
    return jax.tree.map(lambda m, p: m + share.astype(p.dtype) * (p - m), average, params)


def grow_windows(lengths: dict, out: Output, *, margin: float) -> dict:
    """Lengthen the windows of all layers that would have clipped neurons, the read-out's too.

    `out` is what the network returned for a batch; see `window.grow` and `window.grow_readout`.
    """
    for name, info in out.layers.items():
        length = layer_of(lengths, name)["window"]
        grown = windows.grow(length, info.largest, margin=margin)
        lengths = with_layer(lengths, name, {"window": grown})
    for name, potentials in out.readouts.items():
        grown = windows.grow_readout(layer_of(lengths, name), potentials)
        lengths = with_layer(lengths, name, grown)
    return lengths


def make_train(
    network: Network,
    config: TrainConfig,
    *,
    samples: int,
    code: str | Code = "relu",
    shift: int = 0,
    flip: bool = False,
    window_margin: float = 1.0,
) -> Train:
    """Make the pure functions that train one member.

    `init(variables) -> state`; `epoch(state, architecture, images, labels, seed) -> (state,
    mean loss)` runs one pass over images [N, H, W, C], labels [N] in one dispatch. In the `relu`
    code norms use batch statistics; in the `ttfs` code the (folded) network is trained through
    its quantised spike times and the windows grow with the activations. The outcome is
    `state.final`.

    With `config.distil`, `epoch` also takes `teacher=`, see `distillation.Teacher`: a function is
    evaluated on the augmented batch; logits [N, K] are looked up, and blended by `mixup` as
    probabilities. Under `jit` it must be an argument.

    Raises: ValueError when the data do not fill one batch; by `epoch`, without a teacher where one
    is wanted, or for products in bfloat16 on a CPU.
    Source: training with adjusted windows, Stanojevic et al. 2024 (arXiv:2306.08744).
    """
    if samples < config.batch_size:
        raise ValueError(f"{samples} images do not fill one batch of {config.batch_size}")
    spiking = find_code(code).folded
    steps = config.epochs * (samples // config.batch_size)
    optimiser = make_optimiser(config, steps)

    def init(variables):
        return TrainState(
            variables=variables,
            optimiser=optimiser.init(variables["params"]),
            epoch=jnp.zeros((), jnp.int32),
            # A copy, as both may be donated.
            average=jax.tree.map(jnp.copy, variables["params"]) if config.average else None,
        )

    def loss(params, variables, architecture, images, labels, weights, taught):
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
        if config.distil:
            apart = divergence(out.logits, taught, temperature=config.temperature)
            error = (1.0 - config.distil) * error + config.distil * apart
        return error + config.activity_penalty * activity(out.layers), out

    def epoch(
        state, architecture: Architecture, images, labels, seed, *, teacher: Teacher | None = None
    ):
        if config.distil and teacher is None:
            raise ValueError(f"distil {config.distil} needs a teacher")
        if not config.quantised:
            architecture = architecture.replace(time_bits=jnp.zeros_like(architecture.time_bits))
        key = jax.random.fold_in(jax.random.key(seed), state.epoch)
        key_order, key_augment = jax.random.split(key)
        order = batch_order(key_order, samples, config.batch_size)
        weights = class_weights(labels, network.plan.classes, config)

        def step(carry, inputs):
            variables, moments, average = carry
            index, number = inputs
            key = jax.random.fold_in(key_augment, number)
            batch = augment(images[index], key, shift=shift, flip=flip, erase=config.erase)
            targets, taught = labels[index], None
            if config.distil and not callable(teacher):
                taught = jnp.asarray(teacher)[index]
            if config.mixup:
                shares = jax.nn.one_hot(targets, network.plan.classes)
                wanted = None if taught is None else jax.nn.softmax(taught)
                # 0 to 2 are the keys of `augment`.
                key = jax.random.fold_in(key, 3)
                batch, targets, wanted = mixup((batch, shares, wanted), key, alpha=config.mixup)
                taught = None if wanted is None else jnp.log(wanted + TINY)
            if config.distil and callable(teacher):
                taught = teacher(batch)
            with multiply_in(config.products):
                (value, out), gradient = jax.value_and_grad(loss, has_aux=True)(
                    variables["params"], variables, architecture, batch, targets, weights, taught
                )
            updates, moments = optimiser.update(gradient, moments, variables["params"])
            variables = variables | {"params": optax.apply_updates(variables["params"], updates)}
            if spiking and config.grow_windows:
                grown = grow_windows(variables["windows"], out, margin=window_margin)
                variables = variables | {"windows": grown}
            if config.average:
                done = state.epoch * order.shape[0] + number + 1
                average = averaged(average, variables["params"], done, decay=config.average)
            return (variables, moments, average), value

        (variables, moments, average), losses = jax.lax.scan(
            step,
            (state.variables, state.optimiser, state.average),
            (order, jnp.arange(order.shape[0])),
        )
        return TrainState(variables, moments, state.epoch + 1, average), losses.mean()

    return Train(init, epoch)
