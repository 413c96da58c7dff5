"""The event camera of `ttfs_jax.datasets.events.camera`, step for step in plain NumPy: a peer."""

import numpy as np

from ttfs_jax.datasets.events.camera import FAINTEST, CameraConfig


class NumpyCamera:
    """A sensor that receives every new image and counts its events."""

    def __init__(self, first: np.ndarray, seed: int, config: CameraConfig):
        self.config, self.random = config, np.random.default_rng(seed)
        shape, lowest = first.shape, np.float32(0.1 * config.threshold)
        self.on, self.off = (
            np.maximum(
                self.random.normal(config.threshold, config.threshold_spread, shape), lowest
            ).astype(np.float32)
            for _ in range(2)
        )
        self.hot = self.random.random(shape) < config.hot_share
        self.dark = np.float32(config.dark_light)
        self.level = np.log(np.clip(first, np.float32(FAINTEST), np.float32(1.0)) + self.dark)
        self.change, self.blind = np.zeros_like(self.level), np.zeros_like(self.level)

    def step(self, image: np.ndarray, duration: float) -> np.ndarray:
        """Watch the light change to a new image [H, W]: ON minus OFF events [H, W].

        The image before turns into this one within `duration` in s.
        """
        config, dead = self.config, np.float32(self.config.refractory)
        span = np.float32(duration)
        light = np.clip(image, np.float32(FAINTEST), np.float32(1.0))
        cutoff = np.maximum(np.float32(config.bright_cutoff) * light, config.dark_cutoff)
        share = -np.expm1(np.float32(-2.0 * np.pi) * cutoff * span)
        moved = share * (np.log(light + self.dark) - self.level)
        self.level = self.level + moved
        slope = moved / span + np.float32(config.leak_rate) * self.on
        rising = slope > 0
        speed = np.where(slope == 0, np.float32(1.0), np.abs(slope))
        threshold = np.where(rising, self.on, self.off)
        live = np.minimum(self.blind, span)
        change = np.where(self.blind > 0, np.float32(0.0), self.change)
        gained = np.where(rising, change, -change)
        first = live + np.maximum(threshold - gained, 0) / speed
        first[(slope == 0) | (self.blind >= span)] = np.inf
        distance = dead + threshold / speed
        fires = first <= span
        waiting = np.where(fires, span - first, np.float32(0.0))
        count = np.where(fires, 1 + np.floor(waiting / distance).astype(np.int32), 0)
        since = waiting - (count - 1) * distance - dead
        after = slope * np.where(fires, np.maximum(since, 0), span - live)
        rate = np.float32(config.dark_noise)
        rate = rate + np.float32(config.bright_noise - config.dark_noise) * light
        rate[self.hot] = config.hot_rate
        when = self.random.standard_exponential(light.shape, np.float32) / rate
        noisy = (when < span) & (count == 0) & (self.blind <= when)
        late = span - when - dead
        self.change = np.where(fires, after, change + after)
        self.change = np.where(noisy, slope * np.maximum(late, 0), self.change)
        rest = np.where(fires, np.maximum(-since, 0), np.maximum(self.blind - span, 0))
        self.blind = np.where(noisy, np.maximum(-late, 0), rest)
        sign = np.where(self.random.random(light.shape, np.float32) < 0.5, 1, -1)
        return np.where(rising, count, -count) + noisy * sign
