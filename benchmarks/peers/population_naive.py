"""A population trained in the naive way: the masked network under `jax.vmap`.

XLA's convolution at the space's maximal shape, every operator of every block computed and one
selected, one compiled step and a Python loop over steps. The parameters are those of
`ttfs_jax.network.masked`.
"""

import time
from collections.abc import Callable
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from benchmarks.peers.population_torch import TIMING, random_images
from search.spaces.convolutional import Space
from ttfs_jax.network.architecture import Architecture, NetworkSpec, mask
from ttfs_jax.network.layers import NORM_EPSILON
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.tasks.augmentation import augment
from ttfs_jax.tasks.losses import cross_entropy


def _convolve(x, kernel, *, stride=1):
    """Convolve [B, H, W, I] by [k, k, I, O]: [B, ⌈H/s⌉, ⌈W/s⌉, O]."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(kernel.shape[0] // 2, kernel.shape[1] // 2)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _norm_relu(x, layer, channels, skip=None):
    """Normalise [B, ..., O] by the batch, add the skip, mask by channels [O], rectify."""

    def over_channels(vector):
        return jnp.broadcast_to(vector, x.shape)

    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    x = (x - mean) * jax.lax.rsqrt(variance + NORM_EPSILON)
    x = x * over_channels(layer["scale"]) + over_channels(layer["bias"])
    x = x if skip is None else x + skip
    return nn.relu(jnp.where(over_channels(channels), x, 0.0))


def _block(x, params, operator, channels):
    first, second = params["first"], params["second"]
    wide = first["kernel"]
    centre = wide[1:4, 1:4]

    def conv3(x):
        return _norm_relu(_convolve(x, centre), first, channels)

    def conv5(x):
        return _norm_relu(_convolve(x, wide), first, channels)

    def residual(x):
        inner = _convolve(conv3(x), second["kernel"])
        return _norm_relu(inner, second, channels, skip=x)

    return jax.lax.switch(operator, (lambda x: x, conv3, conv5, residual), x)


def forward(
    params: dict, spec: NetworkSpec, architecture: Architecture, images: jax.Array
) -> jax.Array:
    """Compute logits by batch statistics: images [B, H, W, C] -> [B, K].

    `params` are those of the masked network of `spec`; an `architecture` uses a part.
    """
    channels = mask(architecture.widths[0], spec.stage_widths[0])
    x = _convolve(images, params["stem"]["kernel"], stride=spec.stem_stride)
    x = _norm_relu(x, params["stem"], channels)
    block = 0
    for stage, blocks in enumerate(spec.stage_blocks):
        if stage:
            channels = mask(architecture.widths[stage], spec.stage_widths[stage])
            entry = params[f"entry_{stage - 1}"]
            x = nn.max_pool(x, (2, 2), (2, 2), "SAME")
            x = _norm_relu(_convolve(x, entry["kernel"]), entry, channels)
        for _ in range(blocks):
            x = _block(x, params[f"block_{block}"], architecture.operators[block], channels)
            block += 1
    pool = (spec.head_pool, spec.head_pool)
    x = nn.avg_pool(x, pool, pool, "SAME").reshape(len(x), -1)
    used = mask(architecture.head, spec.head_width)
    x = _norm_relu(x @ params["head"]["kernel"], params["head"], used)
    return x @ params["output"]["kernel"] + params["output"]["bias"][None]


def make_train_step(spec: NetworkSpec, optimiser: optax.GradientTransformation) -> Callable:
    """Make the compiled step of a population that shares its batch.

    `step(params, moments, keys, architectures, images, labels) -> (params, moments, keys, losses)`,
    for networks of `spec`; `optimiser` belongs to `moments`.

    Shapes: keys [P], images [B, H, W, C], labels [B] -> losses [P]; the rest has a leading [P].
    """

    def loss(params, architecture, images, labels):
        logits = forward(params, spec, architecture, images)
        return cross_entropy(logits, labels, smoothing=TIMING.label_smoothing)

    def step(params, moments, key, architecture, images, labels):
        key, own = jax.random.split(key)
        images = augment(images, own, shift=TIMING.shift, flip=TIMING.flip)
        value, gradient = jax.value_and_grad(loss)(params, architecture, images, labels)
        updates, moments = optimiser.update(gradient, moments, params)
        return optax.apply_updates(params, updates), moments, key, value

    return jax.jit(jax.vmap(step, (0, 0, 0, 0, None, None)))


def seconds_per_member_step(
    space: Space,
    genotypes: np.ndarray,
    *,
    batch: int = TIMING.batch,
    steps: int = TIMING.steps,
    repeats: int = TIMING.repeats,
) -> float:
    """Train genotypes [P, G] together: the seconds of a step, divided by the number of members.

    `genotypes` are of the `space`; a step sees `batch` images. The median of all `repeats` of
    `steps` each; compiling and the first two steps are not counted.
    """
    spec, members = space.spec, len(genotypes)
    images, labels = map(jnp.asarray, random_images(spec, 2 * batch))
    architectures = jax.vmap(space.decode)(jnp.asarray(genotypes))
    network = Network(spec)
    keys = jax.random.split(jax.random.key(0), members)
    params = jax.jit(jax.vmap(lambda key: initialise(network, key)["params"]))(keys)
    optimiser = optax.adamw(TIMING.learning_rate, weight_decay=TIMING.weight_decay)
    moments = jax.vmap(optimiser.init)(params)
    train_step = make_train_step(spec, optimiser)
    draw = np.random.default_rng(0)

    def run(count, params, moments, keys):
        for _ in range(count):
            index = draw.permutation(len(labels))[:batch]
            params, moments, keys, _ = train_step(
                params, moments, keys, architectures, images[index], labels[index]
            )
        return jax.block_until_ready((params, moments, keys))

    state, taken = run(2, params, moments, keys), []
    for _ in range(repeats):
        started = time.perf_counter()
        state = run(steps, *state)
        taken.append((time.perf_counter() - started) / steps)
    return median(taken) / members
