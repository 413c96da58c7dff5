"""The interface of hardware targets: energy, latency, whether a network fits, and the sources.

All figures are estimated, not measured: no network was run on the hardware.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from ttfs_jax.network.counts import LayerCounts, sum_layers
from ttfs_jax.support.errors import InputError

DISCLAIMER = "estimated, not measured"


@dataclass(frozen=True)
class Range:
    """A value with its uncertainty."""

    low: float  # bound below
    nominal: float  # the likely value
    high: float  # bound above

    def __post_init__(self):
        if not np.isfinite([self.low, self.nominal, self.high]).all():
            raise InputError(f"an estimate must be finite, not {self}")
        if not self.low <= self.nominal <= self.high:
            raise InputError(f"an estimate must be in order low ≤ nominal ≤ high, not {self}")

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.nominal + other.nominal, self.high + other.high)

    def __mul__(self, factor: float) -> "Range":
        return Range(self.low * factor, self.nominal * factor, self.high * factor)

    def widen(self, share: float) -> "Range":
        """Lower the low end and raise the high end by a share of each."""
        return Range(self.low * (1 - share), self.nominal, self.high * (1 + share))


def exactly(value: float) -> Range:
    """Make a value without uncertainty."""
    return Range(value, value, value)


def total(parts: Mapping[str, Range]) -> Range:
    """Add up the itemised values `parts`."""
    return sum(parts.values(), exactly(0.0))


@dataclass(frozen=True)
class Constant:
    """A number behind an estimate, with its unit and source."""

    value: Range  # the number, with its uncertainty
    unit: str  # of the value
    source: str  # publication or assumption


@dataclass(frozen=True)
class Estimate:
    """The cost of one inference on a target; estimated, not measured."""

    target: str
    """Name of the target."""
    terms: dict[str, Range]
    """Energy by cause in J; empty if unknown, as for a network that is not on the chip."""
    latency: float | None
    """Time from the first input to the decision in s; None if not known."""
    reasons: tuple[str, ...] = ()
    """Every limit that is violated, by how much; empty if the network fits."""
    constants: dict[str, Constant] = field(default_factory=dict)
    """The constants behind the figures."""
    notes: tuple[str, ...] = ()
    """Assumptions and omissions of the figures."""

    @property
    def fits(self) -> bool:
        """Tell whether the network fits on the target."""
        return not self.reasons

    @property
    def energy(self) -> Range | None:
        """Add up the energy of all terms in J; None if it is not known."""
        return total(self.terms) if self.terms else None

    @property
    def power(self) -> Range | None:
        """Return the mean power during the inference in W; None if it is not known."""
        if self.energy is None or not self.latency:
            return None
        return self.energy * (1.0 / self.latency)

    def to_json(self) -> dict[str, Any]:
        """Turn the estimate into JSON values."""
        return {
            "target": self.target,
            "headline": self.headline,
            "summary": str(self),
            "fits": self.fits,
            "reasons": list(self.reasons),
            "terms": {name: asdict(term) for name, term in self.terms.items()},
            "energy": asdict(self.energy) if self.energy else None,
            "latency": self.latency,
            "constants": {name: constant.source for name, constant in self.constants.items()},
            "notes": list(self.notes),
        }

    @property
    def headline(self) -> str:
        """Give the cost of an inference in one line, or say that the network does not fit."""
        if not self.reasons:
            return self._figures
        first, *others = self.reasons
        more = f" and {len(others)} more" if others else ""
        return f"{self.target}: does not fit ({first}{more})"

    @property
    def _figures(self) -> str:
        parts = [
            _spell(self.energy, 1e6, "µJ per inference", missing="energy not known"),
            "latency not known" if self.latency is None else f"{1e3 * self.latency:.3g} ms",
        ]
        if self.power is not None:
            parts.append(_spell(self.power, 1e3, "mW"))
        return f"{self.target}, {DISCLAIMER}: {', '.join(parts)}"

    def __str__(self) -> str:
        text = "; ".join([self._figures, *self.notes])
        return text if self.fits else f"{text}; does not fit: {'; '.join(self.reasons)}"


def _spell(value: Range | None, scale: float, unit: str, *, missing: str = "") -> str:
    if value is None:
        return missing
    low, nominal, high = (f"{scale * v:.3g}" for v in (value.low, value.nominal, value.high))
    return f"{nominal} {unit} (low {low}, high {high})"


@dataclass(frozen=True)
class Workload:
    """The operations of one inference, for a target.

    Examples:
        >>> from hardware import TARGETS, Workload
        >>> from ttfs_jax.network.counts import LayerCounts
        >>> numbers = dict(spikes=10, neurons=32, updates=32, states=32, weights=320, thresholds=32)
        >>> layer = LayerCounts(synops=1e6, multiply_adds=2e6, synapses=320, **numbers)
        >>> estimate = TARGETS["cmos45"].estimate(Workload(inputs=64, outputs=10, layers=(layer,)))
        >>> print(estimate)
        cmos45, estimated, not measured: 0.9 µJ per inference (low 0.1, high 4.6), ...
        >>> estimate.fits
        True
    """

    inputs: int
    """Numbers in one input, H · W · C for an image."""
    outputs: int
    """Classes."""
    layers: tuple[LayerCounts, ...]
    """Cost by layer in order, the output layer last."""
    mapped: Any = None
    """The result of the target's own mapper, if it has one."""

    @property
    def total(self) -> LayerCounts:
        """Add up the layers. Raises: InputError for a workload without counts."""
        if not self.layers:
            raise InputError("the workload has no layers: take counts.layer_counts")
        return sum_layers(self.layers)


class Target(Protocol):
    """Hardware, or a model of it, that a network could run on."""

    @property
    def name(self) -> str:
        """Give the name by which users choose the target."""
        ...

    def estimate(self, workload: Workload) -> Estimate:
        """Estimate one inference of `workload`; `reasons` lists exceeded limits."""
        ...
