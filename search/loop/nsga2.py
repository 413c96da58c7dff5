"""NSGA-II over categorical genes, behind evosax's own init, ask and tell."""

from functools import partial

import jax
import jax.numpy as jnp
from evosax.algorithms.population_based.base import PopulationBasedAlgorithm
from flax import struct

from search.loop import pareto
from search.loop.genetic import Params, vary


@struct.dataclass
class Nsga2State:
    """The surviving parents, from best to worst."""

    population: jax.Array  # [P, G] choice indices
    fitness: jax.Array  # [P, M + 1] costs, and the violation of limits
    generation_counter: jax.Array  # []


class NSGA2(PopulationBasedAlgorithm):
    """Binary tournament by rank and crowding, variation as in `genetic`, best of both kept.

    `init` and `tell` take a fitness [P, M + 1]: M costs, which are minimised, and in the last
    column by how much limits are violated, 0 for none. A candidate within the limits beats every
    one that is not. Rows that are not finite are the worst. P is `population_size`, and
    `cardinalities` count the choices of every gene.

    Source: Deb et al. 2002, doi:10.1109/4235.996017; evosax 0.3 supports one objective only.
    """

    def __init__(self, population_size: int, cardinalities: tuple[int, ...]):
        super().__init__(population_size, jnp.zeros(len(cardinalities), jnp.int32))
        self.cardinalities = cardinalities

    @property
    def _default_params(self) -> Params:
        return Params()

    @partial(jax.jit, static_argnames=("self",))
    def init(self, key, population, fitness, params) -> Nsga2State:
        """Start with an evaluated population [P, G], fitness [P, M + 1].

        Nothing is drawn: `key` and `params` have no effect.
        """
        best_first = pareto.order(fitness[:, :-1], fitness[:, -1])
        return Nsga2State(population[best_first], fitness[best_first], jnp.zeros((), jnp.int32))

    def _ask(self, key, state: Nsga2State, params: Params):
        count = len(state.population)
        select, *rest = jax.random.split(key, 5)
        # Parents are sorted: the rival with the lower index wins.
        winners = jax.random.randint(select, (2, count, 2), 0, count).min(-1)
        mothers, fathers = state.population[winners]
        return vary(tuple(rest), mothers, fathers, self.cardinalities, params), state

    @partial(jax.jit, static_argnames=("self",))
    def tell(self, key, population, fitness, state: Nsga2State, params) -> tuple[Nsga2State, dict]:
        """Keep the best of the parents, `state`, and the `population` [P, G], `fitness` [P, M + 1].

        Nothing is drawn: `key` and `params` have no effect.
        """
        everyone = jnp.concatenate([state.population, population])
        costs = jnp.concatenate([state.fitness, fitness])
        best_first = pareto.order(costs[:, :-1], costs[:, -1])
        survivors = best_first[: self.population_size]
        return Nsga2State(everyone[survivors], costs[survivors], state.generation_counter + 1), {}
