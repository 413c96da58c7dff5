"""Rockpool and XyloSim: mapped graphs as input, and the vendor's simulator as the referee."""

from hardware.xylo.rockpool.bridge import from_specification, map_by_rockpool, to_graph
from hardware.xylo.rockpool.referee import Referee, mismatches

__all__ = ["Referee", "from_specification", "map_by_rockpool", "mismatches", "to_graph"]
