"""How an eye moves in time: emotions through facial action units, gaze, blinks, headset slip."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from ttfs_jax.datasets.eye.face import Pose

EMOTIONS = ("angry", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
UNITS = (1, 2, 4, 5, 6, 7, 9, 43)

# Action units around the eye that mark each emotion. Source: the prototypes and major variants
# of Ekman, Friesen & Hager 2002, FACS Investigator's Guide, table 10-1 (EMFACS, Friesen & Ekman
# 1983), without the units of the lower face. Strengths are chosen: 1 prototype, less variant.
PROTOTYPES = {
    "angry": {4: 1.0, 5: 0.6, 7: 0.8},
    "disgust": {9: 1.0, 4: 0.4, 7: 0.5},
    "fear": {1: 0.9, 2: 0.7, 4: 0.6, 5: 1.0, 7: 0.3},
    "happiness": {6: 1.0, 7: 0.3},
    "neutral": {},
    "sadness": {1: 0.9, 4: 0.7, 43: 0.5},
    "surprise": {1: 1.0, 2: 1.0, 5: 0.8},
}
# How fast an emotion comes and goes, relative to the others; chosen: surprise is sudden, sadness
# slow.
TEMPO = {"surprise": 1.4, "fear": 1.2, "sadness": 0.7}
LOOK_DOWN = {"sadness": 0.5}  # unit 64, eyes down, goes with sadness; chosen strength


def prototype_table() -> np.ndarray:
    """Return the strength of every unit in every emotion: [7, U]."""
    return np.array(
        [[PROTOTYPES[name].get(unit, 0.0) for unit in UNITS] for name in EMOTIONS], np.float32
    )


@struct.dataclass
class Style:
    """How one person shows emotions; drawn once per person."""

    strength: jax.Array  # [U] multiplies the prototype
    habit: jax.Array  # [U] constant activity
    blink_rate: jax.Array  # [] per second
    pupil: jax.Array  # [] radius over that of the iris


@dataclass(frozen=True)
class MotionConfig:
    """Constants of motion; chosen unless a source is named.

    Strengths, spreads, times and seat were set together so that the task is neither trivial nor
    noise; `python -m benchmarks.eye_data` measures that.
    """

    rate: float = 300.0  # steps per second
    expressiveness: float = 1.25  # mean strength of a prototype
    person_spread: float = 0.2  # of strengths between people
    take_spread: float = 0.15  # of strengths between takes of one person
    habit: float = 0.05  # mean activity at rest
    onset: float = 0.22  # seconds from rest to apex, median
    apex: float = 0.25  # seconds at the apex, median
    pause: float = 0.15  # seconds between two showings, median
    tremor: float = 0.02  # of a tense unit; at 4-17 Hz, see McAuley & Marsden 2000,
    # doi:10.1093/brain/123.8.1545 (8-12 Hz in most muscles)
    fixation: float = 0.35  # seconds, mean; Rayner 1998, doi:10.1037/0033-2909.124.3.372
    saccade: float = 0.04  # seconds for a jump; same source, 20-60 ms
    gaze_spread: float = 0.09  # of fixations
    drift: float = 0.003  # microsaccades and drift
    blink_rate: float = 0.28  # per second; Bentivoglio et al. 1997, doi:10.1002/mds.870120629
    blink: float = 0.15  # seconds from open to open, half of it closing and closed
    slip: float = 0.012  # headset displacement, slow
    seat: float = 0.06  # displacement from take to take


def draw_style(key: jax.Array, config: MotionConfig) -> Style:
    """Draw by `key` how a person shows emotions: some strongly, some hardly; spread by `config`."""
    key_strength, key_unit, key_habit, key_blink, key_pupil = jax.random.split(key, 5)
    units = len(UNITS)
    overall = 1.0 + config.person_spread * jax.random.normal(key_strength)
    own = 1.0 + config.person_spread * jax.random.normal(key_unit, (units,))
    return Style(
        strength=config.expressiveness * jnp.clip(overall * own, 0.1, 2.0),
        habit=config.habit * jnp.abs(jax.random.normal(key_habit, (units,))),
        blink_rate=config.blink_rate * jnp.exp(0.5 * jax.random.normal(key_blink)),
        pupil=jax.random.uniform(key_pupil, (), minval=0.3, maxval=0.5),
    )


def _smooth_step(x):
    x = jnp.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _showings(key, times, config, tempo, count=8):
    """Return the course of one face, in [0, 1]: showings with onset, apex, offset: [T].

    `tempo` [] divides all their times.
    """
    key_begin, *keys = jax.random.split(key, 5)
    medians = jnp.array([config.onset, config.apex, 1.3 * config.onset, config.pause])
    spans = jnp.stack(
        [
            m / tempo * jnp.exp(0.4 * jax.random.normal(k, (count,)))
            for m, k in zip(medians, keys, strict=True)
        ]
    )
    ends = jnp.cumsum(spans.sum(0))
    # The recording starts somewhere within the first showing.
    offset = jax.random.uniform(key_begin, (), maxval=0.7) * ends[0]
    begins = jnp.concatenate([jnp.zeros(1), ends[:-1]]) - offset
    since = times[:, None] - begins[None]
    rise = _smooth_step(since / spans[0][None])
    fall = _smooth_step((since - (spans[0] + spans[1])[None]) / spans[2][None])
    return (rise - fall).sum(1)


def _jumps(key, times, mean, duration, spread, count=64):
    """Return fixations with quick moves between them: [T]."""
    key_length, key_place = jax.random.split(key)
    lengths = mean * (0.3 + 0.7 * jax.random.exponential(key_length, (count,)))
    begins = jnp.cumsum(lengths) - lengths[0]
    places = spread * jax.random.normal(key_place, (count,))
    steps = jnp.diff(places, prepend=places[:1])
    moved = _smooth_step((times[:, None] - begins[None]) / duration)  # [T, count]
    return places[0] + moved @ steps


def _blinks(key, times, rate, duration, count=16):
    """Return how far blinks close the lid: [T] in [0, 1]."""
    gaps = jax.random.exponential(key, (count,)) / rate
    middles = jnp.cumsum(gaps)
    distance = jnp.abs(times[:, None] - middles[None]) / duration
    return jnp.clip(1.2 - 1.2 * _smooth_step(distance * 2.0), 0.0, 1.0).max(1)


def _wander(key, times, size, seconds=1.5):
    """Return a slow smooth wandering: [T]."""
    key_phase, key_size = jax.random.split(key)
    phases = jax.random.uniform(key_phase, (3,), maxval=2 * jnp.pi)
    sizes = size * jax.random.normal(key_size, (3,))
    speeds = 2 * jnp.pi / seconds * jnp.array([0.4, 0.9, 1.7])
    return (sizes[None] * jnp.sin(times[:, None] * speeds[None] + phases[None])).sum(1)


class _Expression(NamedTuple):
    course: jax.Array  # [T] of the whole face, in [0, 1]
    unit: dict[int, jax.Array]  # activity of every unit, each [T]


def _express(keys, times, style, emotion, config) -> _Expression:
    """Let the units of an emotion come and go; keys for take, showings, delays and tremor."""
    key_take, key_show, key_delay, key_tremor = keys
    prototype = jnp.asarray(prototype_table())[emotion]
    take = 1.0 + config.take_spread * jax.random.normal(key_take, prototype.shape)
    strength = prototype * style.strength * jnp.clip(take, 0.0, 2.0)
    # One face: the units start together, each a little early or late.
    tempo = jnp.array([TEMPO.get(name, 1.0) for name in EMOTIONS])[emotion]
    together = _showings(key_show, times, config, tempo)
    delays = 0.03 * jax.random.normal(key_delay, prototype.shape)
    course = jax.vmap(lambda d: jnp.interp(times - d, times, together))(delays).T
    tremor = jax.vmap(lambda k: _wander(k, times, config.tremor, 0.1), out_axes=1)(
        jax.random.split(key_tremor, len(UNITS))
    )
    units = style.habit[None] + strength[None] * course * (1.0 + tremor)  # [T, U]
    return _Expression(together, {number: units[:, n] for n, number in enumerate(UNITS)})


def _look(keys, times, emotion, course, config):
    """Return gaze x and y, each [T]: fixations, drift, and down when sad; keys for x, y, drift."""
    key_x, key_y, key_drift = keys
    down = jnp.array([LOOK_DOWN.get(name, 0.0) for name in EMOTIONS])[emotion]
    micro = jax.vmap(lambda k: _wander(k, times, config.drift, 0.12))(jax.random.split(key_drift))
    gaze_x = _jumps(key_x, times, config.fixation, config.saccade, config.gaze_spread) + micro[0]
    gaze_y = _jumps(key_y, times, config.fixation, config.saccade, 0.5 * config.gaze_spread)
    return gaze_x, gaze_y + micro[1] + 0.09 * down * course


def _slip(key, times, config):
    """Return how the headset sits: x, y, roll [3, T]."""
    key_seat, *keys_slip = jax.random.split(key, 4)
    seat = config.seat * jax.random.normal(key_seat, (3, 1))
    return seat + jax.vmap(lambda k: _wander(k, times, config.slip, 4.0))(jnp.stack(keys_slip))


def move(
    key: jax.Array,
    style: Style,
    emotion: jax.Array,
    light: jax.Array,
    config: MotionConfig,
    steps: int,
) -> Pose:
    """Let a person show an emotion: the pose at every step, each field [T].

    `key` draws the take, `style` is the person's, `emotion` [] indexes `EMOTIONS`, `light` []
    indexes `face.LIGHTS`; `steps` (static) at `config.rate` per second. Neutral has gaze, blinks,
    slip and habits like every other emotion.
    """
    *keys, key_x, key_y, key_blink, key_slip, key_drift, key_pupil = jax.random.split(key, 10)
    times = jnp.arange(steps) / config.rate
    course, unit = _express(keys, times, style, emotion, config)
    gaze_x, gaze_y = _look((key_x, key_y, key_drift), times, emotion, course, config)
    blink = _blinks(key_blink, times, style.blink_rate, config.blink)
    # The upper lid follows the gaze down.
    lid = 1.0 + 0.55 * unit[5] - 0.3 * unit[7] - 0.45 * unit[43] - 0.15 * unit[6] - 1.2 * gaze_y
    slip = _slip(key_slip, times, config)
    # A pupil is smaller in bright light; order of `face.LIGHTS`.
    response = jnp.array([1.0, 0.7, 1.5, 0.9])[light]
    return Pose(
        gaze_x=gaze_x,
        gaze_y=gaze_y - 0.02,
        lid=jnp.clip(lid, 0.05, 1.8) * (1.0 - blink),
        squeeze=jnp.clip(0.7 * unit[7] + 0.6 * unit[6] + 0.3 * unit[9] + 0.4 * blink, 0.0, 1.0),
        brow_inner=0.14 * unit[1] - 0.13 * unit[4] - 0.05 * unit[9] - 0.02 * blink,
        brow_outer=0.14 * unit[2] - 0.05 * unit[4] - 0.02 * unit[6],
        brow_in=0.10 * unit[4] + 0.03 * unit[9],
        cheek=jnp.clip(unit[6] + 0.3 * unit[9], 0.0, 1.2),
        wrinkle=jnp.clip(unit[9], 0.0, 1.2),
        pupil=jnp.clip(style.pupil * response + _wander(key_pupil, times, 0.01), 0.15, 0.8),
        slip_x=slip[0],
        slip_y=slip[1] - 0.02 * unit[6],
        roll=slip[2],
    )
