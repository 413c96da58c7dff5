"""SEE, real eyes seen by an event camera, as a data set: `see`."""

from dataclasses import dataclass
from pathlib import Path

from ttfs_jax.datasets.base import Dataset, Options
from ttfs_jax.datasets.eye.dataset import FoldConfig, check_config, dataset_of_recordings
from ttfs_jax.datasets.eye.recordings import read_see
from ttfs_jax.support.errors import InputError


@dataclass(frozen=True)
class SeeOptions(Options):
    """Where SEE lies, and how its recordings become images and parts."""

    data_dir: Path | None = None
    """Folder that holds event/."""
    eye: FoldConfig = FoldConfig()
    """How recordings become images and parts."""


def load_see(options: SeeOptions, *, split_seed: int = 0) -> Dataset:
    """Load clips of SEE from `options.data_dir`, the folder that holds event/.

    `options.eye` says how recordings become images and parts, `split_seed` which people validate.

    Raises: InputError for options that no recording can satisfy, or a folder that is missing or
    damaged as a whole; what is wrong with single sequences is in `problems`.
    Source: Zhang et al. 2023 (arXiv:2310.04043).
    """
    check_config(options.eye)
    if options.data_dir is None:
        raise InputError("--data see needs --data-dir: the folder that holds event/")
    recordings = read_see(options.data_dir, size=options.eye.size)
    return dataset_of_recordings("SEE", recordings, options.eye, seed=split_seed)
