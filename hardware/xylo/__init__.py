"""The Xylo family of neuromorphic chips: integer core, limits, mappings, cycles and energy."""

from hardware.xylo.chips import MappedNetwork, Xylo
from hardware.xylo.core import Trace, simulate
from hardware.xylo.decision import Decision, classify
from hardware.xylo.families import FAMILIES, Family, violations
from hardware.xylo.network import ChipNetwork

__all__ = [
    "FAMILIES",
    "ChipNetwork",
    "Decision",
    "Family",
    "MappedNetwork",
    "Trace",
    "Xylo",
    "classify",
    "simulate",
    "violations",
]
