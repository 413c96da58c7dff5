"""The solver benchmark: what it prints, and that both sides of it compute the same."""

import jax
import numpy as np
import pytest

from benchmarks import solvers
from benchmarks.peers.textbook_solvers import TEXTBOOK


@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_and_solver_agree(name):
    times, weights = solvers.some_layer(2, 24, 10)
    ours = {**solvers.SEARCHED, **solvers.WINDOWED}[name]
    found, expected = (
        np.asarray(jax.jit(solvers.over_batch(solve, mapped=False))(times, weights))
        for solve in (ours, TEXTBOOK[name])
    )
    np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))
    spiking = np.isfinite(found)
    assert spiking.mean() > 0.3
    np.testing.assert_allclose(found[spiking], expected[spiking], atol=1e-4)


def test_a_row_has_the_ratios():
    row = solvers.measure_solver("linear_psp", (4, 16, 8), 0.01)
    for key in ("forward_speedup", "gradient_speedup", "memory_reduction", "times_relu"):
        assert row[key] > 0.0
    assert row["differs_from_textbook"] == 0.0
