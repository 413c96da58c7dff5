"""How candidates get their scores, by name: inherited weights, or training for the chip."""

from search.strategies.registry import STRATEGIES, Strategy

__all__ = ["STRATEGIES", "Strategy"]
