"""A whole simulated eye data set in memory, made once and then memory-mapped from the cache.

The emotions are synthetic: a score on these data says nothing about real people.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import prod
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ttfs_jax.datasets.base import Progress
from ttfs_jax.datasets.events import camera
from ttfs_jax.datasets.events.columns import LARGEST_EDGE
from ttfs_jax.datasets.eye import face, motion, simulator
from ttfs_jax.datasets.eye import plan as eye_plan
from ttfs_jax.datasets.eye.face import LIGHTS
from ttfs_jax.datasets.eye.motion import EMOTIONS
from ttfs_jax.datasets.eye.plan import LONGEST, SUBJECTS, Take, plan_takes
from ttfs_jax.datasets.eye.recordings import Recordings
from ttfs_jax.datasets.eye.simulator import CAMERA, MOTION, Recording, simulate_take
from ttfs_jax.support.array_file import map_array, reserved_array
from ttfs_jax.support.cache_entry import load_or_make
from ttfs_jax.support.cache_folder import cache_folders
from ttfs_jax.support.ranges import check_seed, check_whole

SOURCES = (camera, face, motion, eye_plan, simulator)
# All that JAX's random numbers depend on besides its version.
RANDOM = ("jax_enable_x64", "jax_default_prng_impl", "jax_threefry_partitionable")


def record(take: Take, number: int, *, seed: int, size: int) -> Recording:
    """Simulate one take of a plan: int8 and uint8 [T, H, W] on the host.

    `number` is its place in the plan, `size` the edge of the frames, H = W.

    A person's seed is (100003 seed + subject) mod 2³²: within a set no two people have the same.
    Raises: InputError for a seed outside 0 … 2³² − 1 or an edge outside 1 … 4096 pixels.
    """
    check_seed("seed", seed)
    check_whole("size", size, 1, LARGEST_EDGE)
    recording = simulate_take(
        np.uint32((int(seed) * 100_003 + take.subject) % 2**32),
        np.uint32(number),
        jnp.int32(EMOTIONS.index(take.emotion)),
        jnp.int32(LIGHTS.index(take.light)),
        jnp.int32(take.length),
        longest=LONGEST,
        size=int(size),
    )
    return Recording(*(np.asarray(part)[: take.length] for part in recording))


def generate(
    *,
    seed: int = 0,
    subjects: int = SUBJECTS,
    size: int = 48,
    cache: Path | None = None,
    on_progress: Progress | None = None,
) -> tuple[Recordings, np.ndarray]:
    """Simulate all takes of a plan, or map those that an earlier call has made.

    `on_progress(done, total)` is called while they are made. `cache` is the folder for them.
    There is an entry per plan and size, and per version and setting of the simulator, JAX and
    NumPy; unfinished or damaged ones are made again. Returns the recordings, and the intensity
    frames uint8 [N, H, W].

    Raises: InputError for a seed outside 0 … 2³² − 1, fewer than 8 subjects, an edge outside
    1 … 4096 pixels, or a cache that cannot be written.
    """
    plan = plan_takes(seed=seed, subjects=subjects)
    check_whole("size", size, 1, LARGEST_EDGE)
    starts = np.cumsum([0] + [take.length for take in plan])
    shape = (int(starts[-1]), int(size), int(size))

    def load(entry: Path) -> tuple[np.ndarray, np.ndarray]:
        events = map_array(entry / "events.npy", np.int8, shape)
        return events, map_array(entry / "light.npy", np.uint8, shape)

    events, light = load_or_make(
        cache_folders("eye") if cache is None else (cache,),
        f"{_version(plan)}-{seed}-{subjects}-{size}",
        load=load,
        make=partial(_fill, plan, starts, shape, seed, on_progress),
        size=2 * prod(shape),
    )
    recordings = Recordings(
        events=events,
        starts=starts,
        labels=np.array([EMOTIONS.index(take.emotion) for take in plan], np.int32),
        subjects=np.array([take.subject for take in plan]),
        lights=np.array([take.light for take in plan]),
        training=np.array([take.training for take in plan]),
        classes=EMOTIONS,
    )
    return recordings, light


def _fill(plan, starts, shape, seed, on_progress, entry: Path) -> None:
    with (
        reserved_array(entry / "events.npy", np.int8, shape) as put_events,
        reserved_array(entry / "light.npy", np.uint8, shape) as put_light,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):

        def keep(number):
            recording = record(plan[number], number, seed=seed, size=shape[-1])
            put_events(starts[number], np.asarray(recording.events))
            put_light(starts[number], np.asarray(recording.light))

        for done, _ in enumerate(pool.map(keep, range(len(plan))), 1):
            if on_progress is not None:
                on_progress(done, len(plan))


def _version(plan: list[Take]) -> str:
    """Identify plan and simulator with its sources, so that a change never uses an old cache."""
    settings = [getattr(jax.config, name) for name in RANDOM]
    versions = jax.__version__, np.__version__, jax.default_backend(), settings
    digest = hashlib.sha256(repr((versions, CAMERA, MOTION, plan)).encode())
    for path in [Path(__file__), *(Path(str(module.__file__)) for module in SOURCES)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
