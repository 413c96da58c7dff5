"""Data sets behind one interface: `load(name) -> Dataset`."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path

from ttfs_jax.datasets import digits, eye_see, eye_simulated, fashion_mnist
from ttfs_jax.datasets.base import Augmentation, Dataset, Split, check
from ttfs_jax.datasets.eye.dataset import EyeConfig
from ttfs_jax.datasets.eye.recordings import Progress
from ttfs_jax.support.errors import unknown
from ttfs_jax.support.ranges import check_seed

# One file and one line per data set. A loader takes, as keywords, those options of `load` that it
# has a use for.
DATASETS: dict[str, Callable[..., Dataset]] = {
    "eye": eye_simulated.load,
    "see": eye_see.load,
    "digits": digits.load,
    "fashion-mnist": fashion_mnist.load,
}
NAMES = tuple(DATASETS)

EYE = EyeConfig()

__all__ = ["DATASETS", "NAMES", "Augmentation", "Dataset", "EyeConfig", "Split", "check", "load"]


def load(
    name: str,
    *,
    data_dir: Path | None = None,
    split_seed: int = 0,
    eye: EyeConfig = EYE,
    on_progress: Progress | None = None,
) -> Dataset:
    """Load a data set by `name`, one of `DATASETS`, checked.

    `data_dir` is the folder of its files, where it needs one; `split_seed` says which samples
    validate and test; `eye` says how recordings become images (`eye`, `see`);
    `on_progress(done, total)` is called while a simulated set is made for the first time. Options
    that a set has no use for are ignored.

    Raises: InputError for an unknown name, a split seed outside 0 … 2³² − 1, missing or damaged
    files, or unsound data.
    """
    check_seed("split seed", split_seed)
    if name not in DATASETS:
        raise unknown("data set", name, DATASETS)
    options = {
        "data_dir": data_dir,
        "split_seed": split_seed,
        "eye": eye,
        "on_progress": on_progress,
    }
    used = signature(DATASETS[name]).parameters
    return check(DATASETS[name](**{key: value for key, value in options.items() if key in used}))
