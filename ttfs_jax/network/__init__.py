"""Networks: their layers, windows and codes; pure functions of parameters and an architecture."""

from ttfs_jax.network.masked import Network, Output, Variables, initialise
from ttfs_jax.network.plan import Plan

__all__ = ["Network", "Output", "Plan", "Variables", "initialise"]
