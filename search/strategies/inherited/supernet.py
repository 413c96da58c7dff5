"""One ReLU network whose weights are shared by every architecture of a space."""

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, PartitionSpec

from search.spaces.convolutional import Space
from ttfs_jax.network.masked import Network, Output
from ttfs_jax.population.program import map_members
from ttfs_jax.support.devices import AXIS, Device, everywhere, multiply_in, population_mesh
from ttfs_jax.tasks import Task, find_task
from ttfs_jax.training.batches import batch_order
from ttfs_jax.training.config import TrainConfig
from ttfs_jax.training.optimiser import make_optimiser
from ttfs_jax.training.recipe import Train, TrainState


def make_supernet(
    network: Network,
    space: Space,
    recipe: TrainConfig,
    *,
    paths: int,
    samples: int,
    task: str | Task = "classification",
    shift: int = 0,
    flip: bool = False,
    devices: Sequence[Device] | None = None,
) -> Train:
    """Make the pure functions that train shared weights on uniformly sampled paths.

    `network` has the maximal shape of the `space`; every step of the `recipe` draws `paths`
    genotypes; each gets its own share of the batch and its own batch statistics, and their
    gradients are averaged. `epoch(state, images, targets, seed)` of the `task`. The paths of a step
    are divided among `devices` (default: all of this process), without changing the result.
    Under `vmap` (accelerators) the shared kernels make one larger batch of all paths.

    A pass has `samples` training images, shifted by up to `shift` pixels and mirrored if `flip` is
    set.

    Raises: ValueError when the data do not fill one batch, or cannot be divided equally.
    Source: Single Path One-Shot, Guo et al. 2020 (arXiv:1904.00420); several paths per step as in
    FairNAS, Chu et al. 2021 (arXiv:1907.01845).
    """
    task = find_task(task)
    task.check(recipe)
    _check_batch(recipe.batch_size, paths=paths, samples=samples)
    optimiser = make_optimiser(recipe, recipe.epochs * (samples // recipe.batch_size))
    gradient_of = _gradient(network, space, recipe, task, paths=paths, mesh=_mesh(paths, devices))

    def init(variables):
        moments = optimiser.init(variables["params"])
        return TrainState(variables, moments, epoch=jnp.zeros((), jnp.int32))

    def epoch(state, images, targets, seed):
        key = jax.random.fold_in(jax.random.key(seed), state.epoch)
        key_order, key_steps = jax.random.split(key)
        order = batch_order(key_order, samples, recipe.batch_size)
        weights = task.weights(targets, outputs=network.plan.classes, recipe=recipe)

        def step(carry, inputs):
            params, moments = carry
            index, number = inputs
            key_augment, key_paths = jax.random.split(jax.random.fold_in(key_steps, number))
            batch = task.augment(images[index], targets[index], key_augment, shift=shift, flip=flip)
            variables = state.variables | {"params": params}
            loss, gradient = gradient_of(variables, key_paths, *batch, weights)
            updates, moments = optimiser.update(gradient, moments, params)
            return (optax.apply_updates(params, updates), moments), loss

        start = state.variables["params"], state.optimiser
        (params, moments), losses = jax.lax.scan(step, start, (order, jnp.arange(order.shape[0])))
        variables = state.variables | {"params": params}
        return TrainState(variables, moments, state.epoch + 1), losses.mean()

    return Train(init, epoch)


def _check_batch(size: int, *, paths: int, samples: int) -> None:
    if samples < size or size % paths:
        raise ValueError(
            f"a batch of {size} must be a multiple of {paths} paths and at most the {samples} "
            "training images"
        )


def _gradient(
    network: Network, space: Space, recipe: TrainConfig, task: Task, *, paths: int, mesh: Mesh
) -> Callable:
    """Make the function (variables, key, images, targets [B, ...], weights) -> loss, gradient.

    Both are means over the paths that `key` draws, each on its own share of the batch.
    """

    def loss(params, variables, genotype, images, targets, weights):
        out = network.apply(
            variables | {"params": params}, images, space.decode(genotype), batch_statistics=True
        )
        logits = cast(Output, out).logits
        return task.loss(logits, targets, weights=weights, recipe=recipe)

    def path_gradients(variables, genotypes, images, targets, weights):
        """Return loss and gradient of every path on its own share: [paths, ...]."""

        def one(genotype, x, y):
            with multiply_in(recipe.products):
                return jax.value_and_grad(loss)(
                    variables["params"], variables, genotype, x, y, weights
                )

        return map_members(one, genotypes, images, targets)

    over, all_of_it = PartitionSpec(AXIS), PartitionSpec()
    shared_out = jax.shard_map(
        path_gradients,
        mesh=mesh,
        in_specs=(all_of_it, over, over, over, all_of_it),
        out_specs=over,
        check_vma=False,
    )

    def mean_gradient(variables, key, images, targets, weights):
        genotypes = space.sample(key, paths)
        shares = images.reshape(paths, -1, *images.shape[1:])
        wanted = targets.reshape(paths, -1, *targets.shape[1:])
        values, gradients = shared_out(variables, genotypes, shares, wanted, weights)
        # Gathered first, so that the sum has the same order on any number of devices.
        values, gradients = jax.lax.with_sharding_constraint((values, gradients), everywhere(mesh))
        return values.mean(), jax.tree.map(lambda leaf: leaf.mean(0), gradients)

    return mean_gradient


def place(tree: Any, *, paths: int, devices: Sequence[Device] | None = None) -> Any:
    """Copy arrays to every device that shares the paths, as a pass places its state.

    `tree` are the arrays; `paths` and `devices` are those of `make_supernet`. `jax.jit` compiles a
    program for each placement: a pass over a state placed otherwise is compiled once for the first
    pass, and once more for all others.
    """
    return jax.device_put(tree, everywhere(_mesh(paths, devices)))


def _mesh(paths, devices):
    devices = jax.local_devices() if devices is None else devices
    return population_mesh(devices[: math.gcd(paths, len(devices))])
