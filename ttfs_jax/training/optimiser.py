"""Optimiser and learning rate."""

import jax
import optax

from ttfs_jax.training.config import TrainConfig


def make_schedule(config: TrainConfig, steps: int) -> optax.Schedule:
    """Build the learning rate by step: 0 at first, the peak after the warm-up, 0 after `steps`.

    Source: cosine, Loshchilov & Hutter 2017 (arXiv:1608.03983).
    """
    rising, steps = max(int(config.warmup * steps), 1), max(steps, 2)
    return optax.warmup_cosine_decay_schedule(0.0, config.learning_rate, rising, steps)


def make_optimiser(config: TrainConfig, steps: int) -> optax.GradientTransformation:
    """Build AdamW with the config's schedule over the given number of steps.

    Source: Loshchilov & Hutter 2019 (arXiv:1711.05101).
    """
    schedule = make_schedule(config, steps)

    def kernels(params):
        return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)

    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(schedule, weight_decay=config.weight_decay, mask=kernels),
    )
