"""Every algorithm on the list takes a population or refuses it by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from search.loop import algorithms
from search.loop.genes import Gene, Genes
from ttfs_jax.support.errors import InputError


class Space(Genes):
    """A few genes of different sizes."""

    genes = tuple(Gene(f"gene_{n}", tuple(range(size))) for n, size in enumerate((4, 4, 3, 2)))


SPACE = Space()
GENES, LOGITS = 4, 13
NAMES = algorithms.names()


@pytest.fixture(autouse=True)
def evosax_adds_shapes_of_different_rank():
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.filterwarnings("ignore:optax.global_norm")
@pytest.mark.parametrize("name", [name for name in NAMES if name != "random"])
@pytest.mark.parametrize("population", [4, 5, 8, 24])
def test_an_algorithm_takes_a_population_or_refuses_it(name, population):
    """Shapes of init, ask and tell: what fails, fails when they are traced."""
    try:
        algorithm = algorithms.make(name, SPACE, population=population)
    except InputError as error:
        assert population == 5 and f"{name} samples in pairs" in str(error)
        return
    strategy, params = algorithm.strategy, algorithm.params

    def two_generations(key):
        state = algorithm.init(key)
        first, inner = state["first"], state["state"]
        if algorithm._needs_population:
            inner = strategy.init(key, first, jnp.zeros(population), params)
        for _ in range(2):
            before = inner
            proposals, inner = strategy.ask(key, inner, params)
            inner, _ = strategy.tell(key, proposals, jnp.zeros(population), inner, params)
        return proposals, before, inner

    proposals, before, after = jax.eval_shape(two_generations, jax.random.key(0))
    assert proposals.shape == (population, GENES if algorithm.unique else LOGITS)
    # A checkpoint's template is the first state.
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), before) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), after
    )


@pytest.mark.parametrize("name", ["genetic", "random", "PSO", "ESMC", "Open_ES"])
def test_three_generations_stay_within_the_space(name):
    algorithm = algorithms.make(name, SPACE, population=8)
    state = algorithm.init(jax.random.key(0))
    for n in range(3):
        proposals, genotypes, state = algorithm.ask(jax.random.key(n), state)
        assert genotypes.shape == (8, GENES) and np.isfinite(proposals).all()
        assert (np.asarray(genotypes) >= 0).all()
        assert (np.asarray(genotypes) < np.asarray(SPACE.cardinalities)).all()
        fitness = -genotypes.sum(1).astype(jnp.float32)
        state = algorithm.tell(jax.random.key(n), state, proposals, genotypes, fitness)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("genetic", {"population": 3}, "use at least 4"),
        ("SV_CMA_ES", {}, "unknown --evolution.algorithm"),
        ("SV_Open_ES", {}, "unknown --evolution.algorithm"),
        ("RandomSearch", {}, "unknown --evolution.algorithm"),
        ("nsga2", {}, "is for several objectives, see --objectives: choose genetic"),
        ("CMA_ES", {"objectives": 2}, "CMA_ES is not for several objectives: choose nsga2"),
        ("nsga", {"objectives": 2}, "did you mean nsga2"),
    ],
)
def test_what_cannot_work_is_refused_by_name(name, options, words):
    with pytest.raises(InputError, match=words):
        algorithms.make(name, SPACE, **({"population": 8} | options))
