"""Every kind of own data goes into every search space by the presets that follow from its size."""

import numpy as np
import pytest
from own_data import write_npz
from test_own_events import write_folders
from test_own_folder import write_folder
from test_own_idx import write_idx

from search import preset
from search.checks import check_options, check_recipes
from search.spaces.registry import build_space
from ttfs_jax import datasets
from ttfs_jax.datasets.eye.dataset import ClipConfig

LARGE = ("conv", "conv-small", "conv-wide", "conv-deep", "xylo")
WRITERS = {
    "npz": lambda path: write_npz(path / "mine.npz"),
    "idx": lambda path: write_idx(path / "mine"),
    "mnist": lambda path: write_idx(path / "mine", classes=10),
    "folder": lambda path: write_folder(path / "mine"),
    "events": lambda path: write_folders(path / "mine"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_own_data_fit_the_spaces(name, tmp_path):
    given = {"data_dir": WRITERS[name](tmp_path)}
    if name == "events":
        given |= {"clips": ClipConfig(size=16, pool=1), "time_unit": "us"}
    data = datasets.load_dataset(name, **given)
    for space in LARGE:
        for length in ("smoke", "default", "full"):
            config = preset(name, length, space=space, **given)
            check_options(config, new=True)
            built = build_space(config, data)
            check_recipes(config, data, built)
            assert np.prod(built.cardinalities, dtype=float) > 100
