"""Losses on output potentials, on output spike times, and on how much a network spikes.

Arguments of other shapes than documented raise AssertionError (chex) when a function is traced.
"""

import chex
import jax
import jax.numpy as jnp
import optax

from ttfs_jax.network.layers import LayerInfo
from ttfs_jax.spike_time import is_spike


def cross_entropy(
    logits: jax.Array,
    labels: jax.Array,
    *,
    smoothing: float = 0.0,
    class_weights: jax.Array | None = None,
) -> jax.Array:
    """Return the mean cross-entropy of output potentials.

    Σ_b w_b L_b / B with w_b the weight of sample b's class, 1 by default.

    Shapes: logits [B, K], labels [B], class_weights [K] -> []. `smoothing` is the share of the
    target that is spread over all classes.
    Source: label smoothing, Szegedy et al. 2016 (arXiv:1512.00567).
    """
    chex.assert_rank([logits, labels], [2, 1])
    chex.assert_equal_shape_prefix([logits, labels], 1)
    chex.assert_type(labels, int)
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), smoothing)
    errors = optax.softmax_cross_entropy(logits, targets)
    if class_weights is not None:
        chex.assert_shape(class_weights, logits.shape[1:])
        errors = errors * class_weights[labels]
    return errors.mean()


def balanced_weights(labels: jax.Array, *, classes: int) -> jax.Array:
    """Return weights that make classes count equally: w_k = N / (K n_k), 0 for an empty class.

    Shapes: labels [N] -> [K]. Source: King & Zeng 2001, doi:10.1093/oxfordjournals.pan.a004868.
    """
    chex.assert_rank(labels, 1)
    chex.assert_type(labels, int)
    counts = jnp.bincount(labels, length=classes)
    return jnp.where(counts > 0, len(labels) / (classes * jnp.maximum(counts, 1)), 0.0)


def first_spike_logits(
    times: jax.Array, *, window: jax.Array | float, temperature: float = 1.0
) -> jax.Array:
    """Read output spike times as logits, the earliest being the largest: −t / κ.

    Shapes: times [..., K], window [] -> [..., K]; temperature κ in units of time.
    No spike: counted as a spike at the end of the window, without gradient. Give the window that
    spikes may reach: a later spike would count as less likely than silence.
    Source: Mostafa 2017, eq. 16 (arXiv:1606.08165).
    """
    spiking = is_spike(times)
    return -jnp.where(spiking, jnp.where(spiking, times, 0.0), window) / temperature


def first_spike_cross_entropy(
    times: jax.Array, labels: jax.Array, *, window: jax.Array | float, temperature: float = 1.0
) -> jax.Array:
    """Return the mean cross-entropy of output spike times: it is low if the right one fires first.

    L = −log softmax(−t / κ)[label].

    Shapes: times [B, K], labels [B], window [] -> [].
    No spike: see `first_spike_logits`.
    Source: Mostafa 2017, eq. 16 (arXiv:1606.08165); temperature κ in units of time.
    """
    chex.assert_rank([times, labels], [2, 1])
    chex.assert_equal_shape_prefix([times, labels], 1)
    chex.assert_type(labels, int)
    logits = first_spike_logits(times, window=window, temperature=temperature)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def silence_penalty(
    times_in: jax.Array,
    weights: jax.Array,
    times_out: jax.Array,
    *,
    threshold: jax.Array | float = 1.0,
    margin: float = 1.0,
) -> jax.Array:
    """Return a penalty on silent neurons: the weight that they lack for a spike.

    Mean over samples and neurons of max(0, m θ − Σ_j w_j) for silent neurons, the sum over the
    inputs that spiked; 0 for neurons that spike. A silent neuron has no other gradient.

    Shapes: times_in [B, I], weights [I, O], times_out [B, O], threshold [] or [O] -> [].
    `margin` m is in thresholds; a leaky neuron needs more than 1.
    Source: the weight-sum cost of Mostafa 2017, sec. III (arXiv:1606.08165), on silent neurons.
    """
    chex.assert_rank([times_in, weights, times_out], 2)
    chex.assert_shape(weights, (times_in.shape[1], times_out.shape[1]))
    chex.assert_equal_shape_prefix([times_in, times_out], 1)
    received = is_spike(times_in).astype(weights.dtype) @ weights
    threshold = jnp.broadcast_to(jnp.asarray(threshold, weights.dtype), weights.shape[1:])
    shortfall = jax.nn.relu(margin * threshold[None] - received)
    return jnp.where(is_spike(times_out), 0.0, shortfall).mean()


def mean_activity(layers: dict[str, LayerInfo]) -> jax.Array:
    """Return the mean activation over layers, an L1 penalty that makes neurons fall silent.

    Layers that were not run count as silent.
    Source: activation regularisation as in Glorot et al. 2011, sec. 4 (AISTATS).
    """
    return jnp.asarray(sum(info.activity for info in layers.values()) / max(len(layers), 1))
