"""Data sets of the user's own files: each module reads one layout into `samples.Samples`."""

from ttfs_jax.datasets.own.samples import OwnOptions, Samples

__all__ = ["OwnOptions", "Samples"]
