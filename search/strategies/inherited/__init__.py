"""Scores of candidates with weights that they inherit from a supernet."""

from search.strategies.inherited.strategy import Inherited

__all__ = ["Inherited"]
