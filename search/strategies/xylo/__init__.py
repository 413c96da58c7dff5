"""Scores of networks for the chip: trained for it, and run in its integer core."""

from search.strategies.xylo.strategy import ChipStrategy

__all__ = ["ChipStrategy"]
