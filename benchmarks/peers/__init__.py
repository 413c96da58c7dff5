"""What the benchmarks compare with: other ways to do the same, each at its best settings."""
