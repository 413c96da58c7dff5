"""Score a population of candidates with inherited weights, in one compiled call."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from search.config import EvolutionConfig
from search.spaces.convolutional import Space
from ttfs_jax.codes import Code
from ttfs_jax.evaluation.measure import evaluate
from ttfs_jax.network.architecture import Architecture
from ttfs_jax.network.conversion import calibrate
from ttfs_jax.network.counts import LayerCounts, count, layer_counts
from ttfs_jax.network.masked import Network, Variables
from ttfs_jax.population.program import Program
from ttfs_jax.tasks import Measured


@struct.dataclass
class Scores:
    """What a candidate is judged by."""

    fitness: jax.Array  # [] higher is better
    war: jax.Array  # [] weighted average recall on validation images
    uar: jax.Array  # [] unweighted average recall on validation images
    spikes_per_neuron: jax.Array  # []
    synops: jax.Array  # [] synaptic operations per image
    params: jax.Array  # [] weights and thresholds in use
    clip_rate: jax.Array  # []


FIELDS = tuple(Scores.__dataclass_fields__)


def fitness(war: jax.Array, uar: jax.Array, synops: jax.Array, config: EvolutionConfig):
    """Weigh the objectives: F = w WAR + (1 − w) UAR − c · SynOps / 10⁶. Shapes: [] -> []."""
    recall = config.war_weight * war + (1.0 - config.war_weight) * uar
    return recall - config.synops_penalty * synops / 1e6


def _scores(
    network: Network, architecture: Architecture, measured: Measured, config: EvolutionConfig
) -> Scores:
    counts = count(network.spec, architecture, measured)
    return Scores(
        fitness=fitness(measured.war, measured.uar, counts.synops, config),
        war=measured.war,
        uar=measured.uar,
        spikes_per_neuron=measured.spikes_per_neuron,
        synops=counts.synops,
        params=jnp.asarray(counts.params),
        clip_rate=measured.clip_rate,
    )


def make_evaluator(
    network: Network,
    space: Space,
    config: EvolutionConfig,
    *,
    calibration: np.ndarray,
    images: np.ndarray,
    labels: np.ndarray,
    code: str | Code = "ttfs",
    by_layer: bool = False,
) -> Callable[[Variables, np.ndarray], Any]:
    """Make the function (variables, genotypes [n, G]) -> scores, each [n], in one dispatch.

    For every candidate the norm statistics and windows are estimated anew on `calibration`
    training images in the `relu` code; it is then scored on validation `images` [N, ...] and
    `labels` [N] in `code`, in the `ttfs` code in the time steps its genes ask for. It compiles in
    the first call, for a whole population of `config`, and takes any number of genotypes.

    With `by_layer` it returns a pair: the scores, and the `LayerCounts` of all layers.

    Source: statistics re-estimated per candidate, Guo et al. 2020 (arXiv:1904.00420).
    """

    def score(genotype, shared) -> Scores | tuple[Scores, tuple[LayerCounts, ...]]:
        variables, calibration, images, labels = shared
        architecture = space.decode(genotype)
        own = calibrate(network, variables, architecture, calibration, margin=config.window_margin)
        measured = evaluate(network, own, architecture, images, labels, code=code)
        scores = _scores(network, architecture, measured, config)
        if not by_layer:
            return scores
        return scores, layer_counts(network.spec, architecture, measured)

    data = (calibration, images, labels)
    programs: list[Program] = []

    def evaluate_population(variables, genotypes):
        genotypes = np.asarray(genotypes)
        shared = (variables, *data)
        if not programs:
            rows = max(len(genotypes), config.population)
            members = np.zeros((rows, *genotypes.shape[1:]), genotypes.dtype)
            programs.append(Program(score, members, shared))
        return programs[0](genotypes, shared)

    return evaluate_population
