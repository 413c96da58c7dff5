"""Data sets behind one interface: `load(name) -> Dataset`."""

from pathlib import Path

from ttfs_jax.datasets import digits, fashion_mnist
from ttfs_jax.datasets.base import Augmentation, Dataset, Split, check
from ttfs_jax.datasets.eye import recordings
from ttfs_jax.datasets.eye import simulated as simulated_eye
from ttfs_jax.datasets.eye.dataset import EyeConfig, check_config, to_dataset
from ttfs_jax.datasets.eye.recordings import Progress
from ttfs_jax.datasets.ranges import check_seed
from ttfs_jax.support.errors import InputError, unknown

NAMES = ("eye", "see", "digits", "fashion-mnist")

EYE = EyeConfig()

__all__ = ["NAMES", "Augmentation", "Dataset", "EyeConfig", "Split", "check", "load"]


def load(
    name: str,
    *,
    data_dir: Path | None = None,
    split_seed: int = 0,
    eye: EyeConfig = EYE,
    on_progress: Progress | None = None,
) -> Dataset:
    """Load a data set by name, checked.

    `eye` says how recordings become images (`eye`, `see`); `on_progress(done, total)` is called
    while a simulated set is made for the first time.

    Raises: InputError for an unknown name, a split seed outside 0 … 2³² − 1, missing or damaged
    files, or unsound data.
    """
    check_seed("split seed", split_seed)
    if name in ("eye", "see"):
        check_config(eye)
    if name == "eye":
        simulated, _ = simulated_eye.generate(
            seed=eye.simulator_seed, subjects=eye.subjects, size=eye.size, on_progress=on_progress
        )
        return check(to_dataset("simulated eye data", simulated, eye, seed=split_seed))
    if name == "see":
        if data_dir is None:
            raise InputError("--data see needs --data-dir: the folder that holds event/")
        real = recordings.read_see(data_dir, size=eye.size)
        return check(to_dataset("SEE", real, eye, seed=split_seed))
    if name == "digits":
        return check(digits.load(split_seed=split_seed))
    if name == "fashion-mnist":
        return check(fashion_mnist.load(data_dir=data_dir, split_seed=split_seed))
    raise unknown("data set", name, NAMES)
