"""However many generations a search has, it compiles the same programs once."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from search import algorithms, evolution
from search.config import Config
from search.fitness import Scores
from search.progress import Reporter
from search.run_directory import RunDirectory
from search.space import conv_space

SPACE = conv_space((8, 8, 1), 10)


@pytest.fixture
def compiled():
    """Collect the durations of all compilations by XLA: one entry a program."""
    events = []

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.unregister_event_duration_listener(listen)


def search(folder, evaluate, name, generations):
    with Reporter(Console(quiet=True)) as reporter, reporter.bar("x", 1, unit="x") as bar:
        return evolution.run(
            name,
            algorithms.make(name, SPACE, population=8),
            SPACE,
            evaluate,
            population=8,
            generations=generations,
            seed=0,
            directory=RunDirectory.create(folder, Config()),
            bar=bar,
            on_generation=lambda archive: None,
            budget=8 * generations - 3,
        )


@pytest.mark.parametrize("name", ["genetic", "random"])
def test_more_generations_compile_no_more_programs(name, tmp_path, compiled):
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def evaluate(genotypes):
        fitness = genotypes.sum(1).astype(jnp.float32)
        return Scores(*[fitness] * len(Scores.__dataclass_fields__))

    found = {}
    programs = {}
    for generations in (3, 4, 12):  # the first one also warms the caches all searches share
        before = len(compiled)
        found[generations] = search(tmp_path / str(generations), evaluate, name, generations)
        programs[generations] = len(compiled) - before
    assert [len(archive) for archive in found.values()] == [21, 29, 93]
    assert programs[3] > 0
    assert programs[4] == programs[12]
    np.testing.assert_array_equal(found[3].genotypes, found[12].genotypes[:21])
