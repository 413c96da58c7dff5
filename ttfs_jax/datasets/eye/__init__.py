"""Recordings of eyes: simulated ones, SEE, and the clips made of them."""

from ttfs_jax.datasets.eye.dataset import EyeConfig, check_config, dataset_of_recordings

__all__ = ["EyeConfig", "check_config", "dataset_of_recordings"]
