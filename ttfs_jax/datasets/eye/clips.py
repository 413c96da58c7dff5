"""From sequences of event frames to clips: which frames, and how they become images.

Letters: T frames of a sequence, F frames of a clip, H and W height and width.
"""

from functools import partial
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from ttfs_jax.support.errors import InputError, unknown
from ttfs_jax.support.ranges import check_whole

Code = Literal["count", "first-event"]
MOST = 10_000  # draws, frames, stride: more than any recording needs
LATEST_BEGIN = 4  # the published sampler skips 0 to 4 frames first, whatever the stride


def draw_clip(key: jax.Array, length: jax.Array, *, frames: int, stride: int) -> jax.Array:
    """Draw the frames of one clip in the field's usual way.

    The sequence is thinned to every `stride`-th frame from a random one of the first five; of these
    `frames` consecutive ones are taken from a random position, wrapping around if there are too
    few. E4-S3, four frames with three left out between them, is frames = 4, stride = 4.

    `key` is the randomness. Shapes: length [] -> indices [F].
    Source: the sampler published with SEEN, Zhang et al. 2023 (arXiv:2310.04043).
    """
    key_begin, key_crop = jax.random.split(key)
    begin = jax.random.randint(key_begin, (), 0, jnp.minimum(LATEST_BEGIN + 1, length))
    kept = (length - begin + stride - 1) // stride
    crop = jax.random.randint(key_crop, (), 0, jnp.maximum(kept - frames, 0) + 1)
    return begin + stride * ((crop + jnp.arange(frames)) % kept)


def random_key(seed: int) -> jax.Array:
    """Make a key of JAX from a seed of any size ≥ 0; different seeds below 2⁶⁴ give different keys.

    Below 2³² it is `jax.random.key(seed)`, which leaves out all higher bits.
    """
    key = jax.random.key(seed % 2**32)
    return jax.random.fold_in(key, seed >> 32) if seed >> 32 else key


def draw_clips(lengths: np.ndarray, *, draws: int, frames: int, stride: int, seed: int):
    """Draw several clips of every sequence: lengths [S] -> indices int32 [draws, S, F].

    A clip has `frames` frames, F, `stride` apart. `seed` draws. Different seeds below 2⁶⁴ give
    different draws.
    Raises: InputError for draws, frames or a stride below 1, or an empty sequence.
    """
    for name, value in (("draws", draws), ("frames", frames), ("stride", stride)):
        check_whole(name, value, 1, MOST)
    if np.min(lengths, initial=1) < 1:
        raise InputError("a sequence has no frames: leave it out")
    keys = jax.random.split(random_key(seed), (draws, len(lengths)))
    return np.asarray(_draw_all(keys, jnp.asarray(lengths), frames=frames, stride=stride))


@partial(jax.jit, static_argnames=("frames", "stride"))
def _draw_all(keys, lengths, *, frames, stride):
    one = jax.vmap(partial(draw_clip, frames=frames, stride=stride))
    return jax.vmap(one, (0, None))(keys, lengths)


def every_clip(length: int, *, frames: int, stride: int) -> np.ndarray:
    """List the clips that begin at every frame of a sequence in turn: indices [clips, F].

    The sequence has `length` frames, a clip `frames` of them, F, `stride` apart.

    A sequence that is too short for one gives a single clip that wraps around.
    """
    begins = np.arange(max(length - stride * (frames - 1), 1))
    return (begins[:, None] + stride * np.arange(frames)) % length


def clip_image(clip: np.ndarray, *, code: Code = "count", pool: int = 1) -> np.ndarray:
    """Turn a clip into an image whose intensities `encoding.encode` turns into spike times.

    `code` says how, and is not the neural code of a network. `count`: one channel per frame and
    polarity, the share of pixels of each pool × pool block with such an event: [H/pool, W/pool,
    2 F]. `first-event`: one channel per polarity, 1 − f / F for the first frame f with an event,
    the largest of each block: [H/pool, W/pool, 2].
    A place without an event has intensity 0, which is no spike.

    Shapes: clip int8 [F, H, W] of −1, 0, +1. Raises: InputError for an unknown code, or a pool
    that does not divide the edges.
    """
    frames, height, width = clip.shape
    if pool < 1 or height % pool or width % pool:
        raise InputError(f"--pool {pool} does not divide frames of {height} × {width}: choose one")
    polarities = np.stack([clip > 0, clip < 0], -1)  # [F, H, W, 2]
    blocks = polarities.reshape(frames, height // pool, pool, width // pool, pool, 2)
    if code == "count":
        shares = blocks.mean((2, 4), dtype=np.float32)
        return np.moveaxis(shares, 0, 2).reshape(height // pool, width // pool, -1)
    if code == "first-event":
        intensity = (1.0 - np.arange(frames, dtype=np.float32) / frames).reshape(-1, 1, 1, 1)
        return (blocks.any((2, 4)) * intensity).max(0)
    raise unknown("--code", code, get_args(Code))


def split_by_person(subjects: np.ndarray, *, parts: int, seed: int) -> np.ndarray:
    """Split people into parts of about equal numbers of sequences: subjects [S] -> part [S].

    `seed` draws the order.

    Nobody is in two parts. Raises: InputError for fewer people than parts.
    """
    people, counts = np.unique(subjects, return_counts=True)
    if len(people) < parts:
        raise InputError(f"{len(people)} people cannot be split into {parts} parts: use fewer")
    order = np.random.default_rng(seed).permutation(len(people))
    order = order[np.argsort(-counts[order], kind="stable")]
    sizes, part_of = np.zeros(parts, int), {}
    for person in order:
        part = int(sizes.argmin())
        part_of[people[person]] = part
        sizes[part] += counts[person]
    return np.array([part_of[subject] for subject in subjects])
