"""A whole simulated eye data set in memory, made once and then memory-mapped from the cache.

The emotions are synthetic: a score on these data says nothing about real people.
"""

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ttfs_jax.cache_folder import cache_folder
from ttfs_jax.datasets import event_camera, eye_face, eye_motion, eye_plan, eye_simulator
from ttfs_jax.datasets.eye_face import LIGHTS
from ttfs_jax.datasets.eye_motion import EMOTIONS
from ttfs_jax.datasets.eye_plan import LONGEST, SUBJECTS, Take, make_plan
from ttfs_jax.datasets.eye_simulator import Recording, simulate
from ttfs_jax.datasets.recordings import Progress, Recordings
from ttfs_jax.errors import InputError

SOURCES = (event_camera, eye_face, eye_motion, eye_plan, eye_simulator)


def record(take: Take, number: int, *, seed: int, size: int) -> Recording:
    """Simulate one take of a plan: int8 and uint8 [T, H, W] on the host."""
    recording = simulate(
        jnp.uint32(seed * 100_003 + take.subject),
        jnp.uint32(number),
        jnp.int32(EMOTIONS.index(take.emotion)),
        jnp.int32(LIGHTS.index(take.light)),
        jnp.int32(take.length),
        longest=LONGEST,
        size=size,
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

    The cache is kept apart for every seed, number of subjects and size, and for every version of
    the simulator and of JAX. Returns the recordings, and the intensity frames uint8 [N, H, W].

    Raises: InputError for fewer than 8 subjects, or a cache that cannot be written.
    """
    plan = make_plan(seed=seed, subjects=subjects)
    folder = (cache or cache_folder("eye")) / f"{_version()}-{seed}-{subjects}-{size}"
    starts = np.cumsum([0] + [take.length for take in plan])
    if not folder.is_dir():
        _fill(folder, plan, starts, seed, size, on_progress)
    recordings = Recordings(
        events=np.load(folder / "events.npy", mmap_mode="r"),
        starts=starts,
        labels=np.array([EMOTIONS.index(take.emotion) for take in plan], np.int32),
        subjects=np.array([take.subject for take in plan]),
        lights=np.array([take.light for take in plan]),
        training=np.array([take.training for take in plan]),
        classes=EMOTIONS,
    )
    return recordings, np.load(folder / "light.npy", mmap_mode="r")


def _fill(folder, plan, starts, seed, size, on_progress) -> None:
    partial = folder.with_name(f".{folder.name}-{os.getpid()}")
    shape = (int(starts[-1]), size, size)
    try:
        partial.mkdir(parents=True, exist_ok=True)
        events, light = (
            np.lib.format.open_memmap(partial / f"{name}.npy", "w+", dtype, shape)
            for name, dtype in (("events", np.int8), ("light", np.uint8))
        )

        def keep(number):
            recording = record(plan[number], number, seed=seed, size=size)
            rows = slice(starts[number], starts[number + 1])
            events[rows], light[rows] = recording

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done, _ in enumerate(pool.map(keep, range(len(plan))), 1):
                if on_progress is not None:
                    on_progress(done, len(plan))
        events.flush()
        light.flush()
        partial.rename(folder)
    except OSError as error:
        if folder.is_dir():  # another process was faster
            return
        raise InputError(
            f"cannot write the cache {folder} ({error.strerror}): set XDG_CACHE_HOME to a folder "
            f"with {2 * np.prod(shape) / 1e9:.1f} GB of space"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _version() -> str:
    """Identify the simulator by its sources, so that a change never meets an old cache."""
    digest = hashlib.sha256(jax.__version__.encode())
    for module in SOURCES:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:16]
