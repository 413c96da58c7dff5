"""Baselines of the benchmarks: other implementations, each at its best settings."""
