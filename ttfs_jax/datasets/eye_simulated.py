"""Simulated eyes as a data set, `eye`: made once, then mapped from the cache of the user."""

from ttfs_jax.datasets.base import Dataset
from ttfs_jax.datasets.eye.dataset import EyeConfig, check_config, to_dataset
from ttfs_jax.datasets.eye.recordings import Progress
from ttfs_jax.datasets.eye.simulated import generate


def load(*, split_seed: int, eye: EyeConfig, on_progress: Progress | None = None) -> Dataset:
    """Load clips of simulated eyes; a score on them says nothing about real people.

    `eye` says who is simulated and how recordings become images and parts, `split_seed` which
    people validate; `on_progress(done, total)` is called while the set is made for the first time.

    Raises: InputError for options that no recording can satisfy, or a cache that cannot be written.
    """
    check_config(eye)
    recordings, _ = generate(
        seed=eye.simulator_seed, subjects=eye.subjects, size=eye.size, on_progress=on_progress
    )
    return to_dataset("simulated eye data", recordings, eye, seed=split_seed)
