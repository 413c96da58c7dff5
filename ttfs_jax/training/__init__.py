"""Training as pure functions of a config: recipes, batches, optimiser, shape buckets."""

from ttfs_jax.training.batches import batch_order
from ttfs_jax.training.recipe import Train, TrainConfig, TrainState, make_train

__all__ = ["Train", "TrainConfig", "TrainState", "batch_order", "make_train"]
