"""Score a population of candidates with inherited weights, in one compiled call."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

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
    """The scores of a candidate."""

    fitness: jax.Array  # [] higher is better
    war: jax.Array  # [] weighted average recall on validation images
    uar: jax.Array  # [] unweighted average recall on validation images
    spikes_per_neuron: jax.Array  # []
    synops: jax.Array  # [] synaptic operations per image
    params: jax.Array  # [] weights and thresholds in use
    clip_rate: jax.Array  # []


FIELDS = tuple(Scores.__dataclass_fields__)
# Training images, per candidate: norm statistics of hundreds of images are stable, and each
# additional one costs as much as one to score.
CALIBRATION_IMAGES = 512
# At most: the standard error of a recall is then below 0.01, less than candidates differ.
VALIDATION_IMAGES = 2500
# Windows over the largest activation in calibration: few neurons are clipped by other images.
WINDOW_MARGIN = 1.1


def fitness(war: jax.Array, uar: jax.Array, *, war_weight: float) -> jax.Array:
    """Weigh both recalls: F = w WAR + (1 − w) UAR, with w the `war_weight`.

    Shapes: `war` and `uar` [] -> [].
    """
    return war_weight * war + (1.0 - war_weight) * uar


def _scores(
    network: Network, architecture: Architecture, measured: Measured, war_weight: float
) -> Scores:
    counts = count(network.spec, architecture, measured)
    return Scores(
        fitness=fitness(measured.war, measured.uar, war_weight=war_weight),
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
    *,
    population: int,
    war_weight: float = 0.5,
    calibration: np.ndarray,
    images: np.ndarray,
    labels: np.ndarray,
    code: str | Code = "ttfs",
    by_layer: bool = False,
) -> Callable[[Variables, np.ndarray], Any]:
    """Make the function (variables, genotypes [n, G]) -> scores, each [n], in one dispatch.

    `network` has the maximal shape of the `space`. For every candidate the norm statistics and
    windows are estimated again on `calibration` training images in the `relu` code; it is then
    scored on validation `images` [N, ...] and `labels` [N] in `code`, in the `ttfs` code in the
    time steps of its genes; `war_weight` is that of `fitness`. It compiles in the first call, for a
    whole `population`, and takes any number of genotypes.

    With `by_layer` it returns a pair: the scores, and the `LayerCounts` of all layers.

    Source: statistics re-estimated per candidate, Guo et al. 2020 (arXiv:1904.00420).
    """

    def score(genotype, shared) -> Scores | tuple[Scores, tuple[LayerCounts, ...]]:
        variables, calibration, images, labels = shared
        architecture = space.decode(genotype)
        own = calibrate(network, variables, architecture, calibration, margin=WINDOW_MARGIN)
        measured = evaluate(network, own, architecture, images, labels, code=code)
        scores = _scores(network, architecture, measured, war_weight)
        if not by_layer:
            return scores
        return scores, layer_counts(network.spec, architecture, measured)

    data = (calibration, images, labels)
    programs: list[Program] = []

    def evaluate_population(variables, genotypes):
        genotypes = np.asarray(genotypes)
        shared = (variables, *data)
        if not programs:
            rows = max(len(genotypes), population)
            members = np.zeros((rows, *genotypes.shape[1:]), genotypes.dtype)
            programs.append(Program(score, members, shared))
        return programs[0](genotypes, shared)

    return evaluate_population
