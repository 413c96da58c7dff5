"""Ways to put a network on the chip: copied exactly from a ReLU network, or trained for it."""

from hardware.xylo.mappings import exact, native

__all__ = ["exact", "native"]
