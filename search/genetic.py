"""A genetic algorithm over categorical genes, behind evosax's own init, ask and tell."""

import jax
import jax.numpy as jnp
from evosax.algorithms.population_based.base import PopulationBasedAlgorithm
from flax import struct


@struct.dataclass
class State:
    """The surviving parents."""

    population: jax.Array  # [P, G] choice indices
    fitness: jax.Array  # [P] lower is better
    best_solution: jax.Array  # [G]
    best_fitness: jax.Array  # []
    generation_counter: jax.Array  # []


@struct.dataclass
class Params:
    """Probabilities, as in Guo et al. 2020 (arXiv:1904.00420) but for the tournament."""

    crossover_rate: float = 0.5
    mutation_rate: float = 0.1


class CategoricalGA(PopulationBasedAlgorithm):
    """Tournament selection, uniform crossover, mutation to another choice, best of both kept.

    Like all of evosax it minimises. Genotypes stay integers within their genes' choices.
    Source: tournament selection and mutation of Real et al. 2019 (arXiv:1802.01548).
    """

    def __init__(self, population_size: int, cardinalities: tuple[int, ...], tournament: int = 3):
        super().__init__(population_size, jnp.zeros(len(cardinalities)))
        self.cardinalities, self.tournament = cardinalities, tournament

    @property
    def default_params(self) -> Params:
        """Give the default probabilities."""
        return Params()

    def init(self, key, population, fitness, params) -> State:
        """Start from an evaluated population: [P, G] and [P]."""
        best = fitness.argmin()
        return State(
            population=population,
            fitness=fitness,
            best_solution=population[best],
            best_fitness=fitness[best],
            generation_counter=jnp.zeros((), jnp.int32),
        )

    def ask(self, key, state: State, params: Params):
        """Propose children: [P, G]."""
        count, genes = state.population.shape
        select, cross, mix, mutate, draw = jax.random.split(key, 5)
        rivals = jax.random.randint(select, (2, count, self.tournament), 0, count)
        winners = jnp.take_along_axis(rivals, state.fitness[rivals].argmin(-1, keepdims=True), -1)[
            ..., 0
        ]
        mother, father = state.population[winners[0]], state.population[winners[1]]
        crossed = jax.random.bernoulli(cross, params.crossover_rate, (count, 1))
        swapped = crossed & jax.random.bernoulli(mix, 0.5, (count, genes))
        children = jnp.where(swapped, father, mother)
        sizes = jnp.asarray(self.cardinalities)[None]
        # Adding 1 .. K − 1 modulo K always changes the choice, uniformly.
        step = jax.random.randint(draw, (count, genes), 1, jnp.maximum(sizes, 2))
        mutated = jax.random.bernoulli(mutate, params.mutation_rate, (count, genes))
        return jnp.where(mutated, (children + step) % sizes, children).astype(jnp.int32), state

    def tell(self, key, population, fitness, state: State, params: Params):
        """Keep the best P of parents and children."""
        everyone = jnp.concatenate([state.population, population])
        costs = jnp.concatenate([state.fitness, fitness])
        kept = jnp.argsort(costs)[: len(fitness)]
        state = State(
            population=everyone[kept],
            fitness=costs[kept],
            best_solution=everyone[kept[0]],
            best_fitness=costs[kept[0]],
            generation_counter=state.generation_counter + 1,
        )
        return state, {"best_fitness": state.best_fitness}
