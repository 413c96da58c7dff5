"""Search algorithms over genotypes, all behind one ask and tell, all through evosax's."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from search.loop.genes import Genes
from ttfs_jax.support.errors import InputError, unknown

# They fail on a bounded generation, or need trained parameters or additional arguments.
EXCLUDED = {"LES", "DES", "EvoTF_ES", "LGA", "RandomSearch", "SV_CMA_ES", "SV_Open_ES"}
# They sample in pairs, x + d and x - d.
EVEN = {
    *("ARS", "ASEBO", "CR_FM_NES", "ESMC", "GuidedES"),
    *("NoiseReuseES", "Open_ES", "PGPE", "PersistentES"),
}


def _guard(fitness: jax.Array) -> jax.Array:
    """Negate for evosax, which minimises, and make non-finite values the worst."""
    finite = jnp.isfinite(fitness)
    worst = jnp.where(finite.any(), jnp.where(finite, fitness, jnp.inf).min() - 1.0, 0.0)
    return -jnp.where(finite, fitness, worst)


class Algorithm:
    """One algorithm: `ask` for genotypes, `tell` their fitness, which is maximised.

    `strategy` is an algorithm of evosax, over genotypes of `space` if it is `unique`, else over
    one-hot logits; one that `needs_population` starts with random genotypes.
    """

    def __init__(self, strategy: Any, space: Genes, *, unique: bool, needs_population: bool):
        self.strategy, self.space, self.unique = strategy, space, unique
        self._needs_population = needs_population
        self.params = strategy.default_params

    def init(self, key: jax.Array) -> dict[str, Any]:
        """Return the first state, a pytree of arrays; `key` is the randomness."""
        key_first, key_state = jax.random.split(key)
        size = self.strategy.population_size
        genotypes = self.space.sample(key_first, size)
        if self._needs_population:
            first = genotypes if self.unique else self._logits(genotypes)
            state = self.strategy.init(key_state, first, self._nothing(size), self.params)
        else:
            first = jnp.zeros((size, sum(self.space.cardinalities)))
            state = self.strategy.init(key_state, first[0], self.params)
        return {"state": state, "first": first, "started": jnp.zeros((), bool)}

    def ask(self, key: jax.Array, state: dict) -> tuple[jax.Array, jax.Array, dict]:
        """Return proposals, the canonical genotypes [P, G] they stand for, and the `state`.

        `key` is the randomness.

        An algorithm over genotypes proposes these; logits stay unchanged. A population-based
        algorithm's first proposals are its first population.
        """
        if self._needs_population and not state["started"]:
            proposals = state["first"]
        else:
            proposals, inner = self.strategy.ask(key, state["state"], self.params)
            state = state | {"state": inner}
        genotypes = proposals if self.unique else self._decode(proposals)
        genotypes = jnp.asarray(self.space.canonical(np.asarray(genotypes)))
        return genotypes if self.unique else proposals, genotypes, state

    def tell(self, key, state: dict, proposals, genotypes, fitness: jax.Array) -> dict:
        """Receive the `fitness` [P] of the proposals; higher is better.

        `proposals` and `genotypes` are what `ask` returned with the `state`, `key` the randomness.
        """
        cost = self._cost(fitness)
        if self._needs_population and not state["started"]:
            inner = self.strategy.init(key, proposals, cost, self.params)
        else:
            inner, _ = self.strategy.tell(key, proposals, cost, state["state"], self.params)
        return state | {"state": inner, "started": jnp.ones((), bool)}

    def _nothing(self, size: int) -> jax.Array:
        return jnp.zeros(size)

    def _cost(self, fitness: jax.Array) -> jax.Array:
        return _guard(fitness)

    def fresh(self, key: jax.Array, genotypes: np.ndarray, seen: set[tuple]) -> np.ndarray:
        """Replace `genotypes` seen before, or twice in this generation, by unseen ones: [P, G].

        All in canonical form; `key` is the randomness. The replacement is the first unseen one of a
        random walk from the one replaced that redraws one gene per step: near ones are more likely,
        all are possible.

        Raises: InputError when fewer than P networks of the space are unseen.
        """
        archive = np.asarray(list(seen), np.int32).reshape(-1, len(self.space.genes))
        genotypes_seen = set(map(tuple, self.space.canonical(archive).tolist()))
        if len(genotypes_seen) + len(genotypes) > self.space.size:
            raise InputError(
                f"the space has {self.space.size} architectures only: lower "
                "--evolution.population or --evolution.generations"
            )
        result = []
        generator = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        for genotype in map(tuple, self.space.canonical(genotypes).tolist()):
            while genotype in genotypes_seen:
                genotype = self._another(generator, genotype)
            genotypes_seen.add(genotype)
            result.append(genotype)
        return np.asarray(result, np.int32)

    def _another(self, generator: np.random.Generator, genotype: tuple) -> tuple:
        gene = int(generator.integers(len(genotype)))
        choice = int(generator.integers(self.space.cardinalities[gene]))
        changed = np.array((*genotype[:gene], choice, *genotype[gene + 1 :]))
        return tuple(self.space.canonical(changed).tolist())

    def _logits(self, genotypes: jax.Array) -> jax.Array:
        parts = [
            jax.nn.one_hot(genotypes[:, gene], size)
            for gene, size in enumerate(self.space.cardinalities)
        ]
        return jnp.concatenate(parts, 1)

    def _decode(self, logits: jax.Array) -> jax.Array:
        edges = np.cumsum(self.space.cardinalities)[:-1].tolist()
        parts = jnp.split(logits, edges, axis=1)
        return jnp.stack([part.argmax(1) for part in parts], 1).astype(jnp.int32)


class ParetoAlgorithm(Algorithm):
    """An algorithm that receives costs [P, M] and, in a last column, violated limits.

    `strategy` works on genotypes of `space`; `objectives` counts the costs, M.
    """

    def __init__(self, strategy: Any, space: Genes, *, objectives: int):
        super().__init__(strategy, space, unique=True, needs_population=True)
        self._objectives = objectives

    def _nothing(self, size: int) -> jax.Array:
        return jnp.zeros((size, self._objectives + 1))

    def _cost(self, fitness: jax.Array) -> jax.Array:
        return fitness


class RandomSearch(Algorithm):
    """Uniform sampling without repetition, the control.

    A generation is a `population` of genotypes of `space`.
    """

    def __init__(self, space: Genes, population: int):
        self.space, self.unique, self._population = space, True, population

    def init(self, key):
        """Return an empty state, whatever the `key`."""
        return {"generation": jnp.zeros((), jnp.int32)}

    def ask(self, key, state):
        """Draw genotypes uniformly by `key`; the `state` stays unchanged."""
        genotypes = self.space.sample(key, self._population)
        return genotypes, genotypes, state

    def tell(self, key, state, proposals, genotypes, fitness):
        """Count the generation in `state`; nothing is learned.

        `key`, `proposals`, `genotypes` and `fitness` have no effect.
        """
        return {"generation": state["generation"] + 1}

    def _another(self, generator, genotype):
        # A walk would favour the neighbours of what was seen.
        return self.space.draw(generator)


def make(name: str, space: Genes, *, population: int, objectives: int | None = None) -> Algorithm:
    """Build an algorithm by name: genetic, random, or one of evosax's through one-hot logits.

    `population` is the number of candidates in a generation of `space`. With a number of
    `objectives`: nsga2 or random, which receive several costs.

    Raises: InputError as `check_algorithm`.
    """
    check_algorithm(name, population=population, several=objectives is not None)
    # Importing evosax starts JAX's back end, which fixes devices and processes.
    from evosax.algorithms import distribution_based_algorithms, population_based_algorithms

    from search.loop.genetic import CategoricalGA
    from search.loop.nsga2 import NSGA2

    if name == "random":
        return RandomSearch(space, population)
    if objectives is not None:
        strategy = NSGA2(population, space.cardinalities)
        return ParetoAlgorithm(strategy, space, objectives=objectives)
    if name == "genetic":
        strategy = CategoricalGA(population, space.cardinalities)
        return Algorithm(strategy, space, unique=True, needs_population=True)
    logits = jnp.zeros(sum(space.cardinalities))
    needs = name in population_based_algorithms
    table = population_based_algorithms if needs else distribution_based_algorithms
    strategy = table[name](population_size=population, solution=logits)
    return Algorithm(strategy, space, unique=False, needs_population=needs)


def names() -> tuple[str, ...]:
    """List the algorithms for one objective."""
    from evosax.algorithms import distribution_based_algorithms, population_based_algorithms

    theirs = {*population_based_algorithms, *distribution_based_algorithms} - EXCLUDED
    return ("genetic", "random", *sorted(theirs))


def check_algorithm(name: str, *, population: int, several: bool) -> None:
    """Check an algorithm's name and population, for any space; `several` objectives or one.

    Raises: InputError for an unknown name, an algorithm for another number of objectives, or a
    population that it cannot take.
    """
    option = f"--evolution.algorithm {name}"
    if population < 4:
        raise InputError(f"--evolution.population {population} is too small: use at least 4")
    if several and name not in ("nsga2", "random"):
        if name in names():
            raise InputError(f"{option} is not for several objectives: choose nsga2 or random")
        raise unknown("--evolution.algorithm", name, ("nsga2", "random"))
    if not several and name == "nsga2":
        raise InputError(f"{option} is for several objectives, see --objectives: choose genetic")
    if not several and name not in names():
        raise unknown("--evolution.algorithm", name, names())
    if name in EVEN and population % 2:
        raise InputError(
            f"--evolution.population {population} is odd, and {name} samples in pairs: choose an "
            "even one"
        )
