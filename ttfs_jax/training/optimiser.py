"""Optimiser, learning rate and moving average of the weights."""

import math

import jax
import jax.numpy as jnp
import optax

from ttfs_jax.training.config import TrainConfig


def make_schedule(config: TrainConfig, steps: int) -> optax.Schedule:
    """Build the learning rate by step: 0 at first, the peak after the warm-up, 0 after `steps`.

    Source: one cycle, Smith & Topin 2017 (arXiv:1708.07120); the line to zero as in Page 2018
    ("How to train your ResNet"); cosine, Loshchilov & Hutter 2017 (arXiv:1608.03983).
    """
    rising, steps = max(int(config.warmup * steps), 1), max(steps, 2)
    peak = config.learning_rate
    if config.schedule == "cosine":
        return optax.warmup_cosine_decay_schedule(0.0, peak, rising, steps)
    up = optax.linear_schedule(0.0, peak, rising)
    down = optax.linear_schedule(peak, 0.0, steps - rising)
    return optax.join_schedules([up, down], [rising])


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


def averaged(average: dict, params: dict, step: jax.Array, *, decay: float) -> dict:
    """Take the weights of step t = 1, 2, … into their moving average, without a bias.

    m ← m + (1 − d) / (1 − d^t) (p − m), which is Σ_i d^(t−i) p_i / Σ_i d^(t−i) over all steps i
    so far: the weights before the first step do not count.

    Source: the bias correction of Kingma & Ba 2015, sec. 3 (arXiv:1412.6980), in running form.
    """
    # 1 − d^t would cancel in single precision for a decay near 1.
    share = (1.0 - decay) / -jnp.expm1(step * math.log(decay))
    return jax.tree.map(lambda m, p: m + share.astype(p.dtype) * (p - m), average, params)
