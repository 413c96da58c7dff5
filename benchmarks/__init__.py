"""Commands that compare and measure: `python -m benchmarks.NAME`."""

from ttfs_jax.support.moved import forward_names

forward_names(
    {
        f"benchmarks.{name}": f"benchmarks.reports.{name}"
        for name in ("summary", "xylo_summary", "eye_sheet")
    }
)
