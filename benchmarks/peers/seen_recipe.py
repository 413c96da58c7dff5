"""Train SEEN as its authors do; see `seen_network`."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from rich.console import Console
from rich.progress import track

from benchmarks.peers.seen_network import Seen
from ttfs_jax.datasets.eye.clips import draw_clip
from ttfs_jax.datasets.eye.dataset import EyeConfig
from ttfs_jax.datasets.eye.frames import GREY
from ttfs_jax.datasets.eye.recordings import Recordings
from ttfs_jax.support import checkpoint
from ttfs_jax.support.errors import InputError
from ttfs_jax.training.batches import batch_order

EPOCHS, SEED = 180, 2022  # as published
BATCH_SIZE, LEARNING_RATE, FACTOR, MOMENTUM, DECAY = 32, 0.015, 0.94, 0.9, 1e-3


class SeenData(NamedTuple):
    """The inputs of SEEN, on the device: N frames in all, S training sequences."""

    events: jax.Array  # uint8 [N, H, W], painted as in SEE: 0, 128 and 255
    light: jax.Array  # uint8 [N, H, W]
    starts: jax.Array  # [S] first frames of the training sequences
    lengths: jax.Array  # [S]
    labels: jax.Array  # [S]
    scale: jax.Array  # [2, 2] mean and deviation of events and of light, within 0 .. 1


@struct.dataclass
class SeenState:
    """The state of training."""

    variables: Any
    optimiser: optax.OptState
    epoch: jax.Array  # []


def look_up_clips(source: SeenData, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Look up clips: rows [B, F] -> pair [B, H, W, 6], events [F, B, H, W, 3], normalised.

    `rows` number the frames of `source`.
    """

    def three(frames, mean, deviation):
        grey = (frames.astype(jnp.float32) / 255.0 - mean) / deviation
        return jnp.repeat(grey[..., None], 3, -1)

    events = three(source.events[rows.T], *source.scale[0])
    pair = three(source.light[rows[:, jnp.array([0, -1])]], *source.scale[1])
    return jnp.concatenate([pair[:, 0], pair[:, 1]], -1), events


def make_recipe(model: Seen, *, sequences: int, config: EyeConfig):
    """Make init and epoch of the published recipe; an epoch uses up the state it is given.

    `model` sees one random clip, as `config` has it, of each of the `sequences` per epoch. SGD with
    momentum 0.9, decay 10⁻³ of all parameters, learning rate 0.015 times 0.94 per epoch, batches of
    32, plain cross-entropy.
    Source: Zhang et al. 2023 (arXiv:2310.04043), public source code.
    """
    steps = sequences // BATCH_SIZE
    schedule = optax.exponential_decay(LEARNING_RATE, steps, FACTOR, staircase=True)
    optimiser = optax.chain(
        optax.add_decayed_weights(DECAY), optax.sgd(schedule, momentum=MOMENTUM)
    )

    def init(key, source):
        inputs = look_up_clips(source, jnp.zeros((1, config.frames), jnp.int32))
        variables = model.init(key, *inputs)
        return SeenState(variables, optimiser.init(variables["params"]), jnp.zeros((), jnp.int32))

    def loss(params, statistics, inputs, labels):
        (logits, _), changed = model.apply(
            {"params": params, "batch_stats": statistics},
            *inputs,
            training=True,
            mutable=["batch_stats"],
        )
        error = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return error, changed["batch_stats"]

    @jax.jit
    def draw(key, source):
        key_order, key_clips = jax.random.split(key)
        count = len(source.labels)
        clips = jax.vmap(
            lambda key, length: draw_clip(key, length, frames=config.frames, stride=config.stride)
        )(jax.random.split(key_clips, count), source.lengths)
        order = batch_order(key_order, count, BATCH_SIZE)
        return (source.starts[:, None] + clips)[order], source.labels[order]

    @partial(jax.jit, donate_argnums=0)
    def step(carry, source, rows, labels):
        variables, moments = carry
        (value, statistics), gradient = jax.value_and_grad(loss, has_aux=True)(
            variables["params"], variables["batch_stats"], look_up_clips(source, rows), labels
        )
        updates, moments = optimiser.update(gradient, moments, variables["params"])
        params = optax.apply_updates(variables["params"], updates)
        return ({"params": params, "batch_stats": statistics}, moments), value

    def epoch(state, source, key):
        carry, losses = (state.variables, state.optimiser), []
        # No lax.scan: XLA runs convolutions in a loop several times slower on CPU.
        for batch in zip(*draw(jax.random.fold_in(key, state.epoch), source), strict=True):
            carry, value = step(carry, source, *batch)
            losses.append(value)
        variables, moments = carry
        return SeenState(variables, moments, state.epoch + 1), jnp.stack(losses).mean()

    return init, epoch


def to_source(whole: Recordings, light: np.ndarray, training: np.ndarray) -> SeenData:
    """Put everything on the device; scales are measured on the `training` sequences [S].

    `whole` holds the events, `light` [N, H, W] the intensity of the same frames.
    """
    events = np.where(whole.events == 0, GREY, 255 * (whole.events > 0)).astype(np.uint8)
    own = np.repeat(np.isin(np.arange(len(whole.labels)), training), whole.lengths)
    scale = [(x[own].mean() / 255, x[own].std() / 255) for x in (events, light)]
    return SeenData(
        events=jnp.asarray(events),
        light=jnp.asarray(light),
        starts=jnp.asarray(whole.starts[training]),
        lengths=jnp.asarray(whole.lengths[training]),
        labels=jnp.asarray(whole.labels[training]),
        scale=jnp.asarray(scale, jnp.float32),
    )


def train_seen(
    out: Path, source: SeenData, config: EyeConfig, *, classes: int, epochs: int, seed: int
) -> tuple[Seen, Any]:
    """Train to the end, from a checkpoint if there is one: model and variables.

    The checkpoint is in the folder `out`. Clips of `source`, as `config` has them, are classified
    into `classes`; `epochs` passes, weights and clips drawn by `seed`.

    Raises: InputError for fewer sequences than a batch, or a checkpoint of another training.
    """
    if len(source.labels) < BATCH_SIZE:
        raise InputError(f"{len(source.labels)} training sequences do not fill a batch: use more")
    model = Seen(classes)
    init, epoch = make_recipe(model, sequences=len(source.labels), config=config)
    key = jax.random.key(seed)
    state = jax.jit(init)(key, source)
    path, first = out / "seen", 0
    identity = {"seed": seed, "eye": vars(config), "sequences": len(source.labels)}
    if checkpoint.exists(path):
        state, meta = checkpoint.restore(path, state)
        first = meta.pop("epoch")
        if {name: meta.get(name) for name in identity} != identity:
            raise InputError(f"{path} was trained on other data: choose another --out")
    console = Console(stderr=True)
    for number in track(range(first, epochs), "SEEN epochs", console=console):
        state, value = epoch(state, source, key)
        checkpoint.save(path, state, meta={**identity, "epoch": number + 1}, replace=True)
        console.log(f"epoch {number + 1}: loss {float(value):.4f}")
    return model, state.variables
