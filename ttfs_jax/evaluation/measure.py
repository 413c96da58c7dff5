"""Measure a network on a whole data set, a chunk at a time, inside one compiled call."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ttfs_jax.codes import Code
from ttfs_jax.network.architecture import Architecture
from ttfs_jax.network.counts import neurons_by_layer
from ttfs_jax.network.layers import LayerInfo, layer_of
from ttfs_jax.network.masked import Network, Variables
from ttfs_jax.support.errors import InputError
from ttfs_jax.tasks import Activity, Task, find_task


def in_chunks(function: Callable, data, size: int):
    """Run a `function` over chunks of `size` samples of `data`, to bound memory.

    `data` is a pytree of arrays [N, ...].

    The function returns (per_sample, sums): the first is joined along the leading axis, the
    second added up. The last chunk may be smaller.
    """
    count = jax.tree.leaves(data)[0].shape[0]
    whole = count // size

    def cut(leaf):
        return leaf[: whole * size].reshape(whole, size, *leaf.shape[1:])

    results = []
    if whole:
        joined, added = jax.lax.map(function, jax.tree.map(cut, data))
        joined = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), joined)
        results.append((joined, jax.tree.map(lambda leaf: leaf.sum(0), added)))
    if count % size:
        results.append(function(jax.tree.map(lambda leaf: leaf[whole * size :], data)))
    if len(results) == 1:
        return results[0]
    (joined, added), (last, more) = results
    return (
        jax.tree.map(lambda a, b: jnp.concatenate([a, b]), joined, last),
        jax.tree.map(jnp.add, added, more),
    )


def check_images(images: jax.Array) -> None:
    """Check that there are `images` to measure: [N, ...]. Raises: InputError for none."""
    if not len(images):
        raise InputError("there are no images to measure: give one or more, [N, H, W, C]")


def clipped_neurons(layers: dict[str, LayerInfo], samples: int) -> jax.Array:
    """Count the clipped neurons of each of B = `samples` over all `layers`: [B]."""
    return sum((info.clipped for info in layers.values()), jnp.zeros(samples, int))


def clipped_share(clipped: jax.Array, neurons: jax.Array) -> jax.Array:
    """Add up over samples the share of clipped neurons: Σ_n clipped_n / neurons.

    Samples × neurons outgrows 32-bit integers, so that each sample is divided before the sum.

    Shapes: clipped [N], neurons [] -> [] float32. It is 0 only if no neuron is clipped.
    """
    return (clipped.astype(jnp.float32) / neurons).sum()


def evaluate(
    network: Network,
    variables: Variables,
    architecture: Architecture,
    images: jax.Array,
    targets: jax.Array,
    *,
    code: str | Code = "ttfs",
    task: str | Task = "classification",
    batch_size: int = 500,
) -> Any:
    """Measure the task's metrics, spikes and clip rate of one architecture.

    `variables` are those of the `network`, `architecture` says what of it is in use. Shapes: images
    [N, H, W, C], targets [N, ...] -> what the task's `measure` returns, such as
    `classification.Measured`. Traceable, so it maps over a population. In the `ttfs` code time is
    quantised if the architecture has time bits. `batch_size` images are computed at a time.
    Raises: InputError for an unknown code or task, no images at all, and labels beyond the classes,
    unless they are traced.

    Examples:
        >>> import ttfs_jax
        >>> model, (images, labels, *_) = (
        ...     ttfs_jax.load("zoo:digits"), ttfs_jax.zoo.load_examples("digits"))
        >>> measured = evaluate(model.network, model.variables, model.architecture, images, labels)
        >>> measured.predictions.shape, bool(0 <= measured.war <= 1)
        ((8,), True)
    """
    task = find_task(task)
    check_images(images)
    task.check_targets(targets, outputs=network.plan.classes)
    readout = layer_of(variables["windows"], network.plan.readout)
    # At least 1: a plan may have no neurons except outputs.
    neurons = jnp.maximum(sum(neurons_by_layer(network.plan, architecture).values()), 1)

    def chunk(data):
        images, targets = data
        out: Any = network.apply(variables, images, architecture, code=code)
        kept, sums = task.tally(out.logits, targets, readout)
        clipped = clipped_share(clipped_neurons(out.layers, len(images)), neurons)
        spikes = {name: info.spikes for name, info in out.layers.items()}
        return kept, (sums, clipped, spikes, out.passed)

    kept, (sums, *rest) = in_chunks(chunk, (images, targets), batch_size)
    samples = images.shape[0]
    clipped, spikes, passed = jax.tree.map(lambda leaf: leaf / samples, tuple(rest))
    activity = Activity(
        spikes_per_neuron=jnp.asarray(sum(leaf.sum() for leaf in spikes.values())) / neurons,
        clip_rate=clipped,
        spikes=spikes,
        passed=passed,
    )
    return task.measure(kept, sums, activity)
