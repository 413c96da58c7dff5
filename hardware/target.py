"""What every hardware target answers: energy, latency, does it fit, and on what grounds.

All figures are estimated, not measured: a network was not run on the hardware.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ttfs_jax.errors import InputError

DISCLAIMER = "estimated, not measured"


@dataclass(frozen=True)
class Range:
    """A value with its uncertainty."""

    low: float
    nominal: float
    high: float

    def __post_init__(self):
        if not np.isfinite([self.low, self.nominal, self.high]).all():
            raise InputError(f"an estimate must be finite, not {self}")
        if not self.low <= self.nominal <= self.high:
            raise InputError(f"an estimate must be in order low ≤ nominal ≤ high, not {self}")

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.nominal + other.nominal, self.high + other.high)

    def __mul__(self, factor: float) -> "Range":
        return Range(self.low * factor, self.nominal * factor, self.high * factor)


def total(parts: Mapping[str, Range]) -> Range:
    """Add up itemised values."""
    return sum(parts.values(), Range(0.0, 0.0, 0.0))


@dataclass(frozen=True)
class Constant:
    """A number that an estimate rests on, with its unit and where it comes from."""

    value: Range
    unit: str
    source: str


@dataclass(frozen=True)
class Estimate:
    """What one inference costs on a target; estimated, not measured."""

    target: str
    terms: dict[str, Range]
    """Energy by cause in J."""
    latency: float
    """Time from the first input to the decision in s."""
    reasons: tuple[str, ...] = ()
    """Every limit that is violated, by how much; empty if the network fits."""
    constants: dict[str, Constant] = field(default_factory=dict)
    """What the figures rest on."""

    @property
    def fits(self) -> bool:
        """Tell whether the network fits on the target."""
        return not self.reasons

    @property
    def energy(self) -> Range:
        """Add up the energy of all terms in J."""
        return total(self.terms)

    @property
    def power(self) -> Range:
        """Return the mean power during the inference in W."""
        return self.energy * (1.0 / self.latency)

    def __str__(self) -> str:
        energy, power = self.energy, self.power
        text = (
            f"{self.target}, {DISCLAIMER}: {1e6 * energy.nominal:.3g} µJ an inference "
            f"(low {1e6 * energy.low:.3g}, high {1e6 * energy.high:.3g}), "
            f"{1e3 * self.latency:.3g} ms, {1e3 * power.nominal:.3g} mW "
            f"(low {1e3 * power.low:.3g}, high {1e3 * power.high:.3g})"
        )
        if self.fits:
            return text
        return f"{text}; does not fit: {'; '.join(self.reasons)}"
