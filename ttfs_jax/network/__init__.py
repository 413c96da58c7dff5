"""Networks: their layers, windows and codes; pure functions of parameters and an architecture."""

from ttfs_jax.network.masked import Code, Network, Output, Variables, initialise

__all__ = ["Code", "Network", "Output", "Variables", "initialise"]
