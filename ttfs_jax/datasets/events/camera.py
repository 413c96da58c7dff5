"""An event camera: from log intensity over time to ON and OFF events, in closed form.

Within a step the log intensity of a pixel is a line, so its events have equal distances: the
first one, the distance and the count describe all of them exactly, and no loop over events is
needed. Dimension letters: H and W height and width of the sensor.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from ttfs_jax.support import Array

FAINTEST = 1e-3  # faintest light that a pixel resolves, of the brightest; chosen


@dataclass(frozen=True)
class CameraConfig:
    """The sensor's constants.

    Source: ranges for bright and low light by the authors of v2e, Hu et al. 2021
    (arXiv:2006.07722): thresholds 0.2-0.5, spread 0.03-0.05, cut-off 80-120 Hz (bright) and
    20-60 Hz (low light), leak 0.1 Hz.
    """

    threshold: float = 0.2
    """Mean contrast threshold, in natural-log intensity."""
    threshold_spread: float = 0.03
    """Standard deviation of the threshold over pixels and polarities."""
    refractory: float = 0.5e-3
    """Dead time after an event, in seconds (chosen)."""
    leak_rate: float = 0.1
    """ON events per second of a pixel without any change."""
    bright_cutoff: float = 100.0
    """Bandwidth of a pixel at intensity 1, in Hz; it falls in proportion to the light."""
    dark_cutoff: float = 20.0
    """Lowest bandwidth, in Hz."""
    dark_light: float = 0.01
    """Light equivalent to a pixel's dark current (chosen): it flattens contrasts in low light, as
    the linear part of v2e's lin-log response does."""
    bright_noise: float = 0.03
    """Shot-noise events per second at intensity 1 (chosen, see `dark_noise`)."""
    dark_noise: float = 0.2
    """Shot-noise events per second in the dark (chosen: frames of SEE are cleaner than v2e's)."""
    hot_share: float = 5e-4
    """Share of hot pixels (chosen)."""
    hot_rate: float = 100.0
    """Noise events per second of a hot pixel (chosen)."""


@struct.dataclass
class Pixels:
    """Constants that differ from pixel to pixel."""

    threshold_on: jax.Array  # [H, W]
    threshold_off: jax.Array  # [H, W]
    hot: jax.Array  # bool [H, W]


@struct.dataclass
class SensorState:
    """State of a sensor between steps."""

    level: jax.Array  # [H, W] log intensity behind the low-pass filter
    change: jax.Array  # [H, W] log intensity gained since the last event
    blind: jax.Array  # [H, W] seconds of dead time left
    random: jax.Array  # uint32 [H, W] state of each pixel's own random numbers


class Events(NamedTuple):
    """The events of one step: the n-th is at first + n · distance, n < count."""

    first: Array  # [H, W] seconds since the step began
    distance: Array  # [H, W] seconds
    count: Array  # [H, W] int32
    polarity: Array  # [H, W] int32: +1 ON, −1 OFF
    noise: Array  # [H, W] seconds since the step began, +∞ for none
    noise_polarity: Array  # [H, W] int32


def make_pixels(key: jax.Array, shape: tuple[int, int], config: CameraConfig) -> Pixels:
    """Draw a sensor of `shape`, H and W, by `key` and the constants of `config`.

    It has a threshold per pixel, at least a tenth of the mean, and hot pixels.
    """
    key_on, key_off, key_hot = jax.random.split(key, 3)

    def thresholds(key):
        drawn = config.threshold + config.threshold_spread * jax.random.normal(key, shape)
        return jnp.maximum(drawn, 0.1 * config.threshold)

    return Pixels(
        threshold_on=thresholds(key_on),
        threshold_off=thresholds(key_off),
        hot=jax.random.bernoulli(key_hot, config.hot_share, shape),
    )


def start_sensor(key: jax.Array, intensity: jax.Array, config: CameraConfig) -> SensorState:
    """Return the steady state of a sensor on the image `intensity` [H, W].

    `key` draws its random numbers, `config` has its constants.
    """
    level = jnp.log(_clip(intensity) + config.dark_light)
    return SensorState(
        level=level,
        change=jnp.zeros_like(level),
        blind=jnp.zeros_like(level),
        random=jax.random.bits(key, level.shape),
    )


def _clip(intensity):
    return jnp.clip(intensity, FAINTEST, 1.0)


def _draw(state):
    """Advance every pixel's generator: uint32 [H, W] -> state, 32 random bits each.

    Cheaper than a draw of jax.random every step, and as portable.
    Source: PCG-RXS-M-XS-32, O'Neill 2014 (Harvey Mudd College, HMC-CS-2014-0905).
    """
    state = state * jnp.uint32(747796405) + jnp.uint32(2891336453)
    word = ((state >> ((state >> 28) + 4)) ^ state) * jnp.uint32(277803737)
    return state, (word >> 22) ^ word


def ramp_events(
    slope: jax.Array,
    change: jax.Array,
    blind: jax.Array,
    duration: float,
    pixels: Pixels,
    *,
    refractory: float,
) -> tuple[Events, jax.Array, jax.Array]:
    """Solve one step in which each pixel's log intensity is a line.

    A live pixel fires when its change since the last event reaches C:
    t_1 = t_live + (C − |x|) / |s|, then every r + C / |s|; the change restarts from 0 at the end
    of the dead time r.

    Shapes: slope s, change x, blind [H, W] -> events without noise, change and blind at the end of
    `duration` seconds; `pixels` have the thresholds C.
    No event: s = 0, or too little change; count is 0 and `first` lies beyond the step.
    Source: the pixel of Lichtsteiner et al. 2008, doi:10.1109/JSSC.2007.914337, with the reset
    at the end of the refractory period.
    """
    rising = slope > 0.0
    speed = jnp.where(slope == 0.0, 1.0, jnp.abs(slope))
    threshold = jnp.where(rising, pixels.threshold_on, pixels.threshold_off)
    live = jnp.minimum(blind, duration)
    change = jnp.where(blind > 0.0, 0.0, change)
    gained = jnp.where(rising, change, -change)
    first = live + jnp.maximum(threshold - gained, 0.0) / speed
    first = jnp.where((slope == 0.0) | (blind >= duration), jnp.inf, first)
    distance = refractory + threshold / speed
    fires = first <= duration
    waiting = jnp.where(fires, duration - first, 0.0)
    count = jnp.where(fires, 1 + jnp.floor(waiting / distance).astype(jnp.int32), 0)
    since_last = waiting - (count - 1) * distance - refractory
    after = slope * jnp.where(fires, jnp.maximum(since_last, 0.0), duration - live)
    change = jnp.where(fires, after, change + after)
    blind = jnp.where(fires, jnp.maximum(-since_last, 0.0), jnp.maximum(blind - duration, 0.0))
    polarity = jnp.where(rising, 1, -1)
    silent = jnp.full_like(first, jnp.inf)
    return Events(first, distance, count, polarity, silent, polarity), change, blind


def step(
    state: SensorState,
    intensity: jax.Array,
    duration: float,
    pixels: Pixels,
    config: CameraConfig,
) -> tuple[SensorState, Events]:
    """Let the sensor watch the light change to a new image within one step.

    The log of light and dark current passes a low-pass filter whose bandwidth falls with the
    light, the leak lifts it steadily, and shot noise (stronger in the dark) adds at most one event
    per step to a pixel that has none.

    Shapes: intensity [H, W] in (0, 1] -> state, events [H, W]; duration in seconds. `pixels` and
    `config` are the sensor's.
    Source: the non-idealities of v2e, Hu et al. 2021 (arXiv:2006.07722).
    """
    light = _clip(intensity)
    cutoff = jnp.maximum(config.bright_cutoff * light, config.dark_cutoff)
    share = -jnp.expm1(-2.0 * jnp.pi * cutoff * duration)
    level = state.level + share * (jnp.log(light + config.dark_light) - state.level)
    slope = (level - state.level) / duration + config.leak_rate * pixels.threshold_on
    refractory = config.refractory
    events, change, blind = ramp_events(
        slope, state.change, state.blind, duration, pixels, refractory=refractory
    )
    rate = config.dark_noise + (config.bright_noise - config.dark_noise) * light
    rate = jnp.where(pixels.hot, config.hot_rate, rate)
    # 24 bits are the time of the first event of a Poisson process, used if it is within the step;
    # one more bit is its sign.
    random, bits = _draw(state.random)
    when = -jnp.log(((bits >> 8) + 1).astype(level.dtype) * 2.0**-24) / rate
    noisy = (when < duration) & (events.count == 0) & (state.blind <= when)
    since = duration - when - refractory
    change = jnp.where(noisy, slope * jnp.maximum(since, 0.0), change)
    blind = jnp.where(noisy, jnp.maximum(-since, 0.0), blind)
    events = events._replace(
        noise=jnp.where(noisy, when, jnp.inf),
        noise_polarity=jnp.where(bits & 1, 1, -1),
    )
    return SensorState(level=level, change=change, blind=blind, random=random), events


def polarity_counts(events: Events) -> jax.Array:
    """Count ON and OFF events: [H, W, 2]."""
    noise = jnp.isfinite(events.noise)

    def of(sign):
        own = jnp.where(events.polarity == sign, events.count, 0)
        return own + (noise & (events.noise_polarity == sign))

    return jnp.stack([of(1), of(-1)], -1)


def balance(events: Events) -> jax.Array:
    """Count ON minus OFF events, whose sign is the pixel of a ternary event frame: [H, W]."""
    counts = polarity_counts(events)
    return counts[..., 0] - counts[..., 1]


def event_list(events: Events, *, begin: float = 0.0) -> np.ndarray:
    """List the events of one step in time order, as (t, x, y, p) records on the host.

    t is in seconds from `begin`, p is 1 for ON and 0 for OFF.
    """
    events = Events(*map(np.asarray, events))
    rows, columns = np.nonzero(events.count)
    count = events.count[rows, columns]
    pixel = np.repeat(np.arange(len(rows)), count)
    number = np.arange(len(pixel)) - np.repeat(np.cumsum(count) - count, count)
    y, x = rows[pixel], columns[pixel]
    times = events.first[y, x] + number * events.distance[y, x]
    noise_y, noise_x = np.nonzero(np.isfinite(events.noise))
    listed = np.zeros(
        len(times) + len(noise_y), [("t", "f8"), ("x", "u2"), ("y", "u2"), ("p", "u1")]
    )
    listed["t"] = begin + np.concatenate([times, events.noise[noise_y, noise_x]])
    listed["x"], listed["y"] = np.concatenate([x, noise_x]), np.concatenate([y, noise_y])
    signs = [events.polarity[y, x], events.noise_polarity[noise_y, noise_x]]
    listed["p"] = np.concatenate(signs) > 0
    return listed[np.argsort(listed["t"], kind="stable")]
