"""Measuring networks, and proving two codes equal."""

from ttfs_jax.evaluation.measure import Measured, evaluate, in_chunks

__all__ = ["Measured", "evaluate", "in_chunks"]
