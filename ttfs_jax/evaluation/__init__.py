"""Measuring networks, and proving two codes equal."""

from ttfs_jax.evaluation.measure import evaluate, in_chunks

__all__ = ["evaluate", "in_chunks"]
