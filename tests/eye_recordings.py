"""Recordings of nobody, whose frames tell which sequence they belong to."""

import numpy as np

from ttfs_jax.datasets.eye.dataset import EyeConfig
from ttfs_jax.datasets.eye.recordings import Recordings

CONFIG = EyeConfig(size=8, pool=2, draws=3, test_draws=5)
CLASSES = ("angry", "disgust", "fear")


def recordings(sequences=60, people=12):
    """Make sequences whose frames hold their own number, so that clips can be traced back."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(18, 40, sequences)
    starts = np.cumsum([0, *lengths])
    events = np.zeros((starts[-1], 8, 8), np.int8)
    for s, (begin, end) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
        events[begin:end, s // 8, s % 8] = 1
    return Recordings(
        events=events,
        starts=starts,
        labels=(np.arange(sequences) % 3).astype(np.int32),
        subjects=np.arange(sequences) % people,
        lights=np.array(["normal", "Low"])[np.arange(sequences) % people % 2],
        training=generator.random(sequences) < 0.7,
        classes=CLASSES,
        problems=("one line",),
    )
