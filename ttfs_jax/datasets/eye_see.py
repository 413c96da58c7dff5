"""SEE, real eyes seen by an event camera, as a data set: `see`."""

from pathlib import Path

from ttfs_jax.datasets.base import Dataset
from ttfs_jax.datasets.eye.dataset import EyeConfig, check_config, to_dataset
from ttfs_jax.datasets.eye.recordings import read_see
from ttfs_jax.support.errors import InputError


def load(*, data_dir: Path | None, split_seed: int, eye: EyeConfig) -> Dataset:
    """Load clips of SEE from `data_dir`, the folder that holds event/.

    `eye` says how recordings become images and parts, `split_seed` which people validate.

    Raises: InputError for options that no recording can satisfy, or a folder that is missing or
    damaged as a whole; what is wrong with single sequences is in `problems`.
    Source: Zhang et al. 2023 (arXiv:2310.04043).
    """
    check_config(eye)
    if data_dir is None:
        raise InputError("--data see needs --data-dir: the folder that holds event/")
    return to_dataset("SEE", read_see(data_dir, size=eye.size), eye, seed=split_seed)
