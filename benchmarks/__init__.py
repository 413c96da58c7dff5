"""Commands that compare and measure: `python -m benchmarks.NAME`."""

from ttfs_jax.support.moved import forward

forward(
    {
        f"benchmarks.{name}": f"benchmarks.reports.{name}"
        for name in ("summary", "xylo_summary", "eye_sheet")
    }
)
