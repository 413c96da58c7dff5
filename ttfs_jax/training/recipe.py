"""Train one network, in any code and for any task, as a pure function that maps over members."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import chex
import jax
import jax.numpy as jnp
import optax
from flax import struct

from ttfs_jax.codes import Code, find_code
from ttfs_jax.codes import window as windows
from ttfs_jax.network.architecture import Architecture
from ttfs_jax.network.layers import layer_of, with_layer
from ttfs_jax.network.masked import Network, Output, Variables
from ttfs_jax.support.devices import multiply_in
from ttfs_jax.tasks import Task, find_task
from ttfs_jax.tasks.losses import mean_activity
from ttfs_jax.training.batches import batch_order
from ttfs_jax.training.config import TrainConfig
from ttfs_jax.training.optimiser import make_optimiser


@struct.dataclass
class TrainState:
    """The state of training."""

    variables: Variables  # of the network, as trained so far
    optimiser: optax.OptState  # moments of the gradients
    epoch: jax.Array  # [] passes done


class Train(NamedTuple):
    """The two pure functions of one training recipe.

    Examples:
        >>> import jax
        >>> from ttfs_jax import Network, Plan, TrainConfig, initialise, largest, make_train
        >>> from ttfs_jax.network.kinds import dense, readout
        >>> plan = Plan((4, 4, 1), (dense("head", 8), readout("classes", 3)))
        >>> network, images = Network(plan), jax.random.uniform(jax.random.key(0), (16, 4, 4, 1))
        >>> targets, config = jax.numpy.arange(16) % 3, TrainConfig(epochs=2, batch_size=8)
        >>> train = make_train(network, config, samples=len(images))
        >>> state = train.init(initialise(network, jax.random.key(1)))
        >>> for _ in range(config.epochs):
        ...     state, loss = train.epoch(state, largest(plan), images, targets, 0)
        >>> int(state.epoch), bool(loss > 0)
        (2, True)
    """

    init: Callable[[Variables], TrainState]
    """Start from the variables of a network."""
    epoch: Callable[..., tuple[TrainState, jax.Array]]
    """Do one pass over the training samples; see `make_train`."""


def grow_windows(lengths: dict, out: Output, *, margin: float) -> dict:
    """Lengthen the windows of all layers that would have clipped neurons, the read-out's too.

    `lengths` are variables `windows`, `out` what the network returned for a batch; windows grow to
    `margin` times the largest activation. See `window.grow` and `window.grow_readout`.
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
    task: str | Task = "classification",
    shift: int = 0,
    flip: bool = False,
    window_margin: float = 1.0,
) -> Train:
    """Make the pure functions that train one member.

    `init(variables) -> state`; `epoch(state, architecture, images, targets, seed) -> (state, mean
    loss)` runs one pass over images [N, H, W, C], targets [N, ...] of the `task` in one dispatch.
    `config` is the recipe; `samples` N is known beforehand; `shift` (pixels) and `flip` are how
    images are augmented. In the `relu` code norms use batch statistics; in other codes the (folded)
    network is trained through its spikes, such as quantised spike times, and windows grow with the
    activations, to `window_margin` times the largest. The result is `state.variables`.

    Raises: ValueError when the data do not fill one batch; InputError for an unknown code or task,
    or an option that the task cannot use; by `epoch`, InputError for labels beyond the classes
    where they are not traced, ValueError for products in bfloat16
    on a CPU, and AssertionError (chex) for images or targets of another shape, when it is traced.
    Source: training with adjusted windows, Stanojevic et al. 2024 (arXiv:2306.08744).
    """
    if samples < config.batch_size:
        raise ValueError(f"{samples} images do not fill one batch of {config.batch_size}")
    task = find_task(task)
    task.check(config)
    steps = config.epochs * (samples // config.batch_size)
    recipe = _Recipe(
        network=network,
        config=config,
        samples=samples,
        code=find_code(code),
        task=task,
        augmentation={"shift": shift, "flip": flip},
        window_margin=window_margin,
        optimiser=make_optimiser(config, steps),
    )
    return Train(recipe.init, recipe.epoch)


@dataclass(frozen=True)
class _Recipe:
    """The functions of one recipe; see `make_train` for the fields."""

    network: Network
    config: TrainConfig
    samples: int
    code: Code
    task: Task
    augmentation: dict[str, Any]
    window_margin: float
    optimiser: optax.GradientTransformation

    def init(self, variables: Variables) -> TrainState:
        """Begin training from these variables."""
        return TrainState(
            variables=variables,
            optimiser=self.optimiser.init(variables["params"]),
            epoch=jnp.zeros((), jnp.int32),
        )

    def epoch(
        self,
        state: TrainState,
        architecture: Architecture,
        images: jax.Array,
        targets: jax.Array,
        seed: jax.Array,
    ) -> tuple[TrainState, jax.Array]:
        """Run one pass over the data."""
        config = self.config
        chex.assert_shape(images, (self.samples, *self.network.plan.image_shape))
        chex.assert_axis_dimension(targets, 0, self.samples)
        self.task.check_targets(targets, outputs=self.network.plan.classes)
        if not config.quantised:
            continuous = jnp.zeros_like(architecture.time_bits)
            architecture = replace(architecture, time_bits=continuous)
        key = jax.random.fold_in(jax.random.key(seed), state.epoch)
        key_order, key_augment = jax.random.split(key)
        order = batch_order(key_order, self.samples, config.batch_size)
        outputs = self.network.plan.classes
        weights = self.task.weights(targets, outputs=outputs, recipe=config)

        def step(carry, inputs):
            variables, moments = carry
            index, number = inputs
            key = jax.random.fold_in(key_augment, number)
            batch = self.task.augment(images[index], targets[index], key, **self.augmentation)
            with multiply_in(config.products):
                (value, out), gradient = jax.value_and_grad(self._loss, has_aux=True)(
                    variables["params"], variables, architecture, weights, *batch
                )
            updates, moments = self.optimiser.update(gradient, moments, variables["params"])
            variables = variables | {"params": optax.apply_updates(variables["params"], updates)}
            if self.code.folded and config.grow_windows:
                grown = grow_windows(variables["windows"], out, margin=self.window_margin)
                variables = variables | {"windows": grown}
            return (variables, moments), value

        (variables, moments), losses = jax.lax.scan(
            step,
            (state.variables, state.optimiser),
            (order, jnp.arange(order.shape[0])),
        )
        return TrainState(variables, moments, state.epoch + 1), losses.mean()

    def _loss(self, params, variables, architecture, weights, images, targets):
        """Return the loss of a batch, and all that the network returned."""
        config = self.config
        answer = self.network.apply(
            variables | {"params": params},
            images,
            architecture,
            code=self.code,
            batch_statistics=not self.code.folded,
        )
        out = cast(Output, answer)  # flax has no types
        error = self.task.loss(out.logits, targets, weights=weights, recipe=config)
        return error + config.activity_penalty * mean_activity(out.layers), out
