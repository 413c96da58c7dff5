"""Arithmetic at 45 nm: the reference that papers on spiking networks compare with.

Operations only: reading weights and potentials from memory costs more than all arithmetic here (a
64-bit read from an 8 kB cache 10 pJ, from DRAM above 1 nJ), and is left out, as papers do.
Source: Horowitz 2014, ISSCC, fig. 1.1.9, doi:10.1109/ISSCC.2014.6757323.
"""

from dataclasses import dataclass

from hardware.target import Constant, Estimate, Range, Workload

_TABLE = "Horowitz 2014, doi:10.1109/ISSCC.2014.6757323"
ACCUMULATE = Constant(
    Range(0.1e-12, 0.9e-12, 4.6e-12),
    "J/SynOp",
    f"32-bit addition, float; low: integer; high: float and multiplied by the time left; {_TABLE}",
)
MULTIPLY_ADD = Constant(
    Range(0.3e-12, 4.6e-12, 4.6e-12),
    "J/multiply-add",
    f"32-bit float, 3.7 + 0.9 pJ; low: 8-bit product, 0.2 pJ, and 32-bit integer sum; {_TABLE}",
)
_LEFT_OUT = "arithmetic only, no memory traffic"


@dataclass(frozen=True)
class Cmos:
    """Accumulates of the spiking network, or multiply-adds of its ReLU twin, at 45 nm."""

    name: str  # by which users choose it
    twin: bool = False
    """Estimate the ReLU twin instead."""

    def estimate(self, workload: Workload) -> Estimate:
        """Estimate E = n e, with n SynOps and 0.9 pJ each, or n multiply-adds and 4.6 pJ each.

        Everything fits; the latency is not known.

        Raises: InputError for a workload without counts.
        """
        if self.twin:
            number, cause, each = workload.total.multiply_adds, "multiply_adds", MULTIPLY_ADD
            note = "dense ReLU twin, zeros not skipped"
        else:
            number, cause, each = workload.total.synops, "synops", ACCUMULATE
            note = "one accumulate a SynOp"
        return Estimate(
            self.name,
            {cause: each.value * float(number)},
            None,
            constants={cause: each},
            notes=(note, _LEFT_OUT),
        )
