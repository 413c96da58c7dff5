"""Simulated recordings: a person shows an emotion to an event camera, frame by frame.

The data are synthetic: what a network learns from them says nothing about real people.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ttfs_jax.datasets.events import camera as event_camera
from ttfs_jax.datasets.events.camera import CameraConfig
from ttfs_jax.datasets.eye.face import Pose, draw_person, illuminate, render
from ttfs_jax.datasets.eye.motion import MotionConfig, draw_style, move
from ttfs_jax.support import Array

FRAMES_PER_SECOND = 30  # as in SEE, Zhang et al. 2023 (arXiv:2310.04043)
CAMERA, MOTION = CameraConfig(), MotionConfig()


class Recording(NamedTuple):
    """One take."""

    events: Array  # int8 [T, H, W]: sign of ON minus OFF events within the frame
    light: Array  # uint8 [T, H, W]: intensity at the end of the frame


@partial(jax.jit, static_argnames=("longest", "size", "camera", "motion"))
def simulate_take(
    person_seed: jax.Array,
    take_seed: jax.Array,
    emotion: jax.Array,
    light: jax.Array,
    frames: jax.Array,
    *,
    longest: int,
    size: int,
    camera: CameraConfig = CAMERA,
    motion: MotionConfig = MOTION,
) -> Recording:
    """Simulate one take: events and light [longest, size, size], with `frames` [] recorded.

    A person (face, style of expression, sensor of the headset) follows from `person_seed` [], the
    take from `take_seed` []. `emotion` [] indexes `motion.EMOTIONS`, `light` [] `face.LIGHTS`.
    `camera` and `motion` have the constants. Between two frames the picture is drawn `motion.rate`
    / 30 times. Other frames are 0; `frames` may differ from call to call without a compilation, and
    counts as `longest` above that.
    """
    substeps = max(round(motion.rate / FRAMES_PER_SECOND), 1)
    duration = 1.0 / (FRAMES_PER_SECOND * substeps)
    keys = jax.random.split(jax.random.key(person_seed), 4)
    person, style = draw_person(keys[0]), draw_style(keys[1], motion)
    pixels = event_camera.make_pixels(keys[2], (size, size), camera)
    phase = jax.random.uniform(keys[3], (), maxval=6.28)
    key_motion, key_sensor = jax.random.split(jax.random.fold_in(keys[3], take_seed))
    course = move(key_motion, style, emotion, light, motion, longest * substeps + 1)

    def look(pose: Pose) -> jax.Array:
        return illuminate(render(person, pose, size=size), light, phase=phase)

    def watch(state, image):
        state, events = event_camera.step(state, image, duration, pixels, camera)
        return state, event_camera.balance(events)

    def film(frame, carried):
        state, recording = carried
        images = jax.vmap(look)(jax.tree.map(lambda leaf: leaf[frame], later))
        state, balance = jax.lax.scan(watch, state, images)
        frame_recording = Recording(jnp.sign(balance.sum(0)), jnp.round(images[-1] * 255))
        return state, jax.tree.map(
            lambda reel, now: jax.lax.dynamic_update_index_in_dim(
                reel, now.astype(reel.dtype), frame, 0
            ),
            recording,
            frame_recording,
        )

    first = jax.tree.map(lambda leaf: leaf[0], course)
    later = jax.tree.map(lambda leaf: leaf[1:].reshape(longest, substeps), course)
    shape = (longest, size, size)
    empty = Recording(jnp.zeros(shape, jnp.int8), jnp.zeros(shape, jnp.uint8))
    state = event_camera.start_sensor(key_sensor, look(first), camera)
    return jax.lax.fori_loop(0, jnp.minimum(frames, longest), film, (state, empty))[1]
