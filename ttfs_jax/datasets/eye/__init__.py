"""Recordings of eyes: simulated ones, SEE, and the clips made of them."""

from ttfs_jax.datasets.eye.dataset import EyeConfig, check_config, to_dataset

__all__ = ["EyeConfig", "check_config", "to_dataset"]
