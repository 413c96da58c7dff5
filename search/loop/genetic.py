"""A genetic algorithm over categorical genes, behind evosax's own init, ask and tell."""

from dataclasses import replace

import jax
import jax.numpy as jnp
from evosax.algorithms.population_based.base import PopulationBasedAlgorithm
from flax import struct


@struct.dataclass
class GeneticState:
    """The surviving parents."""

    population: jax.Array  # [P, G] choice indices
    fitness: jax.Array  # [P] lower is better
    best_solution: jax.Array  # [G]
    best_fitness: jax.Array  # []
    generation_counter: jax.Array  # []


@struct.dataclass
class Params:
    """Probabilities, as in Guo et al. 2020 (arXiv:1904.00420) except the tournament."""

    crossover_rate: float = 0.5  # that a child mixes genes of both parents
    mutation_rate: float = 0.1  # that a gene changes


def vary(
    keys: tuple[jax.Array, ...],
    mothers: jax.Array,
    fathers: jax.Array,
    cardinalities: tuple[int, ...],
    params: Params,
) -> jax.Array:
    """Cross parents uniformly and mutate genes to another choice.

    Shapes: four `keys`, `mothers` and `fathers` [P, G] -> children [P, G]. `cardinalities` count
    the choices of every gene, `params` are the probabilities.
    """
    cross, mix, mutate, draw = keys
    count, genes = mothers.shape
    crossed = jax.random.bernoulli(cross, params.crossover_rate, (count, 1))
    swapped = crossed & jax.random.bernoulli(mix, 0.5, (count, genes))
    children = jnp.where(swapped, fathers, mothers)
    sizes = jnp.asarray(cardinalities)[None]
    # Adding 1 .. K − 1 modulo K always changes the choice, uniformly.
    step = jax.random.randint(draw, (count, genes), 1, jnp.maximum(sizes, 2))
    mutated = jax.random.bernoulli(mutate, params.mutation_rate, (count, genes))
    return jnp.where(mutated, (children + step) % sizes, children).astype(jnp.int32)


class CategoricalGA(PopulationBasedAlgorithm):
    """Tournament selection, uniform crossover, mutation to another choice, best of both kept.

    Like all of evosax it minimises. Genotypes stay integers within their genes' choices.
    `population_size` P genotypes of genes with so many choices each, `cardinalities`; a parent is
    the best of `tournament` drawn at random.
    Source: tournament selection and mutation of Real et al. 2019 (arXiv:1802.01548).
    """

    def __init__(self, population_size: int, cardinalities: tuple[int, ...], tournament: int = 3):
        super().__init__(population_size, jnp.zeros(len(cardinalities), jnp.int32))
        self.cardinalities, self.tournament = cardinalities, tournament

    @property
    def _default_params(self) -> Params:
        return Params()

    def _init(self, key, params) -> GeneticState:
        size = self.population_size
        return GeneticState(
            population=jnp.zeros((size, self.num_dims), jnp.int32),
            fitness=jnp.full((size,), jnp.inf),
            best_solution=jnp.zeros(self.num_dims, jnp.int32),
            best_fitness=jnp.asarray(jnp.inf),
            generation_counter=jnp.zeros((), jnp.int32),
        )

    def _ask(self, key, state: GeneticState, params: Params):
        count = len(state.population)
        select, cross, mix, mutate, draw = jax.random.split(key, 5)
        rivals = jax.random.randint(select, (2, count, self.tournament), 0, count)
        fittest = state.fitness[rivals].argmin(-1, keepdims=True)
        mother, father = state.population[jnp.take_along_axis(rivals, fittest, -1)[..., 0]]
        return vary((cross, mix, mutate, draw), mother, father, self.cardinalities, params), state

    def _tell(self, key, population, fitness, state: GeneticState, params: Params) -> GeneticState:
        everyone = jnp.concatenate([state.population, population])
        costs = jnp.concatenate([state.fitness, fitness])
        survivors = jnp.argsort(costs)[: self.population_size]
        return replace(state, population=everyone[survivors], fitness=costs[survivors])
