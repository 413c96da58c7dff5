"""The loop of every search: genes, algorithms, archive, goal, run directory; knows no space."""

from search.loop.archive import Archive
from search.loop.genes import Gene, Genes
from search.loop.goal import Goal
from search.loop.progress import Reporter
from search.loop.run_directory import RunDirectory

__all__ = ["Archive", "Gene", "Genes", "Goal", "Reporter", "RunDirectory"]
