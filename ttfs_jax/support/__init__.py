"""What every room needs and none is about: errors, files, caches, devices, the command line."""

from ttfs_jax.support.errors import InputError

__all__ = ["InputError"]
