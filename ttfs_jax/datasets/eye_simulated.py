"""Simulated eyes as a data set, `eye`: made once, then mapped from the user's cache."""

from dataclasses import dataclass

from ttfs_jax.datasets.base import Dataset, Options, Progress
from ttfs_jax.datasets.eye.dataset import EyeConfig, check_config, dataset_of_recordings
from ttfs_jax.datasets.eye.simulated import generate
from ttfs_jax.support.ranges import SEED, check_fields


@dataclass(frozen=True)
class EyeOptions(Options):
    """Who is simulated, and how recordings become images and parts."""

    eye: EyeConfig = EyeConfig()
    """Who is simulated, and how recordings become images and parts."""

    def __post_init__(self):
        check_fields(self.eye, within="eye.", simulator_seed=SEED)


def load_eye(
    options: EyeOptions = EyeOptions(), *, split_seed: int = 0, on_progress: Progress | None = None
) -> Dataset:
    """Load clips of simulated eyes; a score on them says nothing about real people.

    `options.eye` says who is simulated and how recordings become images and parts, `split_seed`
    which people validate; `on_progress(done, total)` is called while the set is made for the first
    time.

    Raises: InputError for options that no recording can satisfy, or a cache that cannot be written.
    """
    eye = options.eye
    check_config(eye)
    recordings, _ = generate(
        seed=eye.simulator_seed, subjects=eye.subjects, size=eye.size, on_progress=on_progress
    )
    return dataset_of_recordings("simulated eye data", recordings, eye, seed=split_seed)
