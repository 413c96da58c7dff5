"""Retraining of the best candidates, by name: converted networks, or a front on the chip."""

from search.retraining.registry import RETRAININGS, RetrainStage

__all__ = ["RETRAININGS", "RetrainStage"]
