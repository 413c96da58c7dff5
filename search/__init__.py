"""Architecture search, `result = search.run(search.preset("digits", "smoke"))`, in rooms.

Rooms: the loop, spaces, strategies, retraining and reports; see docs/search.md.
"""

from search.config import Config
from search.pipeline import run
from search.presets import preset
from search.result import Result
from ttfs_jax.support.moved import forward_names

__all__ = ["Config", "Result", "preset", "run"]
_LOOP = "algorithms genetic nsga2 pareto exploration run_directory progress"
MOVED = {f"search.{name}": f"search.loop.{name}" for name in _LOOP.split()} | {
    "search.evolution": "search.loop.evolution search.loop.archive",
    "search.space": "search.spaces.registry search.spaces.convolutional search.loop.genes",
    "search.xylo_space": "search.spaces.xylo",
    "search.supernet": "search.strategies.inherited.supernet",
    "search.fitness": "search.strategies.inherited.scores",
    "search.xylo_population": "search.strategies.xylo.population",
    "search.xylo_exact": "search.strategies.xylo.exact",
    "search.xylo_evaluation": "search.strategies.xylo.evaluation",
    "search.xylo_measure": "search.strategies.xylo.measure",
    "search.xylo_fitness": "search.strategies.xylo.scores",
    "search.retrain": "search.retraining.population",
    "search.halving": "search.retraining.halving",
    "search.measurement": "search.retraining.measurement",
    "search.xylo_baseline": "search.retraining.baseline",
    "search.stages": "search.pipeline search.strategies.inherited.strategy"
    " search.retraining.converted",
    "search.xylo_stages": "search.pipeline search.strategies.xylo.strategy search.retraining.front",
    "search.report": "search.reports.networks",
    "search.figures": "search.reports.figures",
    "search.xylo_report": "search.reports.chip",
}

forward_names(MOVED)
