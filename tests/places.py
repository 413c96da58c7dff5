"""Where things lie: the checkout, or the copy of it beside the tests, and the packages in use."""

from pathlib import Path

import ttfs_jax

ROOT = Path(__file__).parents[1]  # README, docs, notebooks and setup.cfg
SOURCE = Path(ttfs_jax.__file__).parents[1]  # the packages, also when they come from a wheel
PACKAGES = ("ttfs_jax", "hardware", "search", "benchmarks")
