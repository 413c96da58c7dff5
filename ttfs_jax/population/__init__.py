"""One pure function over many members, on all devices and processes; knows no network."""

from ttfs_jax.population.program import PopulationConfig, Program, map_members, pick, run_members

__all__ = ["PopulationConfig", "Program", "map_members", "pick", "run_members"]
