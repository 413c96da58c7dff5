"""A digital engine for event-based convolutions: SNE, 22 nm, 4-bit weights.

The engine alone. As part of a whole system (the Kraken chip with interfaces and a processor,
Rutishauser et al. 2023, arXiv:2302.07957) a gesture took 7.7 mJ, about a hundred times as much.
Source: Di Mauro et al. 2022, DATE, arXiv:2204.10687.
"""

from hardware.target import Constant, Estimate, Range, Workload

_SOURCE = "Di Mauro et al. 2022, arXiv:2204.10687"
# Energy of a gesture in µJ at a share of active inputs: E = E₀ + e p through both published points.
LOW_ACTIVITY, HIGH_ACTIVITY = (0.012, 80.0), (0.049, 261.0)


def idle_share() -> float:
    """Return E₀ / E of a gesture at the lower activity: the share not due to its spikes.

    E₀ = E₁ − p₁ (E₂ − E₁) / (p₂ − p₁).
    """
    (p1, e1), (p2, e2) = LOW_ACTIVITY, HIGH_ACTIVITY
    return (e1 - p1 * (e2 - e1) / (p2 - p1)) / e1


SYNOP = Constant(
    Range(0.221e-12, 0.221e-12, 0.221e-12 / (1.0 - idle_share())),
    "J/SynOp",
    f"0.221 pJ; high: with the share that a gesture at 1.2 % activity needs besides; {_SOURCE}",
)


class Sne:
    """An event-driven engine, estimated by its synaptic operations."""

    name = "sne"

    def estimate(self, workload: Workload) -> Estimate:
        """Estimate E = S e, with S SynOps and 0.221 pJ each.

        We found no published limits of the engine: everything fits. The latency is unknown.

        Raises: InputError for a workload without counts.
        """
        energy = SYNOP.value * float(workload.total.synops)
        notes = ("4-bit weights, engine alone", "a whole system took about 100 times as much")
        return Estimate(
            self.name, {"synops": energy}, None, constants={"synop": SYNOP}, notes=notes
        )
