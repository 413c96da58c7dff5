"""Train networks made for the chip through its integer dynamics, as a pure function.

The widths are masks on layers of fixed size and the decays are data, so that one program trains a
population of networks with the same number of layers and steps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from hardware.xylo.arithmetic import power
from hardware.xylo.mappings.native import (
    Dynamics,
    NativeLayer,
    Run,
    decide,
    encode_native,
    init_native,
    run_layers,
)
from ttfs_jax.support.ranges import at_least, check_fields
from ttfs_jax.tasks.losses import cross_entropy
from ttfs_jax.training.fitting import FitConfig, fit, in_use, shift_inputs

WEIGHT_UNIT = 32.0  # a weight of 1 for the optimiser
THRESHOLD = 4.0  # logit at which an output should spike
LOGIT_UNIT = 16.0  # potential of a logit of 1, times 2^d_mem


@dataclass(frozen=True)
class NativeTrainConfig(FitConfig):
    """How a network is trained through the chip's dynamics. Raises: ValueError if out of range."""

    epochs: int = 80
    """Passes over the training data."""
    learning_rate: float = 3e-2
    """Peak, in units of 32 least significant bits of a weight; falls by a cosine."""
    label_smoothing: float = 0.1
    """Share of the target spread over all classes."""
    jitter: float = 0.06
    """Standard deviation of noise on the inputs in training, in shares of the window."""
    second_spike_penalty: float = 0.05
    """Weight in the loss of a sample's spikes beyond the first, per neuron on average."""
    first_spike: float = 1.0
    """Weight in the loss of how well the right output, and no other, reaches its threshold."""

    def __post_init__(self):
        super().__post_init__()
        check_fields(self, second_spike_penalty=at_least(0), first_spike=at_least(0))


class Trained(NamedTuple):
    """The result of training."""

    layers: tuple[NativeLayer, ...]  # the stack, in floats
    loss: jax.Array  # [epochs] mean of each


def logits(outcome: Run, dynamics: Dynamics) -> jax.Array:
    """Read the last potentials of `outcome` as logits: V / (16 · 2^d_mem), [K].

    d_mem is that of `dynamics`.
    """
    return outcome.potential[-1] / (LOGIT_UNIT * power(jnp.asarray(dynamics.dash_mem, jnp.float32)))


def run_native_batch(
    layers: Sequence[NativeLayer], dynamics: Dynamics, inputs: jax.Array, *, steps: int
) -> Run:
    """Encode and run a batch for so many `steps`: inputs [B, I] in [0, 1] -> `Run` of [B, ...].

    `layers` are the stack, under `dynamics`.
    """

    code = partial(encode_native, window=dynamics.window, steps=steps)
    outcome = run_layers(layers, dynamics, jax.vmap(code, out_axes=-1)(inputs))
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), outcome)


def make_native_train(
    sizes: Sequence[int], config: NativeTrainConfig, *, steps: int
) -> Callable[..., Trained]:
    """Make `train(key, widths, dynamics, inputs, labels) -> Trained`, pure and unbatched.

    `sizes` are the largest: inputs, hidden layers, classes; `config` is the recipe; a sample is run
    for `steps`. `widths` [hidden layers] says how many neurons of each are in use; the others have
    no inputs and never spike. inputs [N, I] in [0, 1], labels [N]. The loss is the cross-entropy of
    the outputs' potentials after the last step, plus the penalty on second spikes. Gradients pass
    the rounding straight through, spikes by a surrogate, and the reset, V − n θ, like any other
    operation: stopping the gradient there made no measurable difference in four runs on digits.

    Raises: ValueError when the data do not fill one batch.
    Source: surrogate gradients, Neftci et al. 2019 (arXiv:1901.09948).
    """

    def train(key, widths, dynamics, inputs, labels):
        masks = in_use(sizes, widths)

        def loss(params, batch, targets, noise):
            layers = _physical(params, masks)
            batch = shift_inputs(noise, batch, spread=config.jitter)
            outcome = run_native_batch(layers, dynamics, batch, steps=steps)
            return _loss(outcome, dynamics, targets, widths, config)

        key_init, key_train = jax.random.split(key)
        params = _draw(key_init, sizes, widths, dynamics)
        params, values = fit(loss, params, key_train, inputs, labels, config=config)
        return Trained(_physical(params, masks), values)

    return train


def _draw(key, sizes, widths, dynamics):
    """Draw the optimiser's parameters: kernels in units of 32, logarithms of thresholds."""
    layers = init_native(key, sizes, dynamics)
    # Fewer neurons in use than drawn: larger weights.
    return [
        (layer.kernel / WEIGHT_UNIT * (size / use) ** 0.5, jnp.log(layer.threshold))
        for layer, size, use in zip(layers, sizes[:-1], [sizes[0], *widths], strict=True)
    ]


def _physical(params, masks):
    """Turn the optimiser's parameters into layers of the neurons in use."""
    return tuple(
        NativeLayer(jnp.where(mask[None], WEIGHT_UNIT * kernel, 0.0), jnp.exp(threshold))
        for (kernel, threshold), mask in zip(params, masks, strict=True)
    )


def _loss(outcome, dynamics, targets, widths, config):
    """Return the loss of a batch: outcome, each leaf [B, ...], targets [B] -> []."""
    values = jax.vmap(lambda one: logits(one, dynamics))(outcome)
    error = cross_entropy(values, targets, smoothing=config.label_smoothing)
    if config.first_spike:
        unit = LOGIT_UNIT * power(dynamics.dash_mem)
        above = outcome.potential.max(1) / unit - THRESHOLD
        right = jax.nn.one_hot(targets, values.shape[-1])
        reach = optax.sigmoid_binary_cross_entropy(above, right).sum(1).mean()
        error = error + config.first_spike * reach
    more = sum(
        jax.nn.relu(spikes.sum(1) - 1.0).sum(1).mean() / width
        for spikes, width in zip(outcome.spikes, widths, strict=True)
    )
    return error + config.second_spike_penalty * more


def choose_threshold(potential: jax.Array, labels: jax.Array, *, candidates: int = 32) -> jax.Array:
    """Choose the outputs' threshold by which first spikes classify training samples best: [].

    Shapes: potential [B, T, K], labels [B]. The `candidates` are that number of quantiles of each
    sample's largest potential; a sample without an output spike counts as wrong. The lowest of
    equally good ones wins, which decides earliest.
    """
    largest = potential.max((1, 2))
    levels = jnp.quantile(largest, jnp.linspace(0.0, 0.9, candidates))
    levels = jnp.clip(jnp.round(levels), 1.0, None)

    def accuracy(level):
        return (decide_batch(potential, level)[0] == labels).mean()

    return levels[jax.lax.map(accuracy, levels).argmax()]


def decide_batch(potential: jax.Array, threshold: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Decide a batch by first output spikes; see `native.decide`.

    Shapes: potential [B, T, K], threshold [] -> classes [B], steps [B].
    """
    return jax.vmap(decide, (0, None))(potential, threshold)
