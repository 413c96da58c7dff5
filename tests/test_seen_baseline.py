"""SEEN beside our networks: one price list for both, and how many seeds of each."""

from pathlib import Path

import jax.numpy as jnp
import pytest
from rich.console import Console

from benchmarks import seen_baseline
from hardware.cmos import Cmos
from hardware.target import Workload
from ttfs_jax.network.counts import LayerCounts
from ttfs_jax.support.errors import InputError


def test_energy_by_hand():
    """µJ of 10⁶ accumulates at 0.1, 0.9 and 4.6 pJ, and 10⁶ multiply-adds at 0.3, 4.6 and 4.6."""
    spiking = seen_baseline.energy(synops=1e6)
    assert spiking == pytest.approx({"low": 1e-7, "nominal": 9e-7, "high": 4.6e-6})
    mixed = seen_baseline.energy(synops=1e6, multiply_adds=1e6)
    assert mixed == pytest.approx({"low": 4e-7, "nominal": 5.5e-6, "high": 9.2e-6})


def test_energy_is_that_of_the_target():
    nothing = dict.fromkeys(LayerCounts.__dataclass_fields__, jnp.zeros(()))
    layer = LayerCounts(**nothing | {"synops": 3e5, "multiply_adds": 7e6, "name": "all"})
    asked = Workload(inputs=1, outputs=1, layers=(layer,))
    for twin, counts in ((False, {"synops": 3e5}), (True, {"synops": 0, "multiply_adds": 7e6})):
        expected = Cmos("cmos45", twin=twin).estimate(asked).energy
        assert expected is not None
        assert seen_baseline.energy(**counts) == pytest.approx(vars(expected))


def network(seed, **more):
    score = {"war": 0.5, "uar": 0.4, "interval": {"war": [0.4, 0.6], "uar": [0.3, 0.5]}}
    joules = seen_baseline.energy(synops=1e6)
    row = {"seed": seed, "protocol": score, "params": 1000, "synops": 1e6, "joules": joules}
    return row | more


def printed(seen, ttfs):
    rows = {
        "seen": [network(n, multiply_adds=2e6) for n in seen],
        "ttfs": [network(n) for n in ttfs],
    }
    console = Console(width=200)
    with console.capture() as capture:
        console.print(
            seen_baseline.seen_table({"dataset": "eyes", "size": 48, "epochs": 180, **rows})
        )
    return " ".join(capture.get().split())


def test_the_number_of_seeds_is_said():
    text = printed([2022], [0, 1, 2])
    assert "Seeds: 1 of SEEN, 3 of ours, which are not equally many." in text
    assert "0.9 (0.1 to 4.6)" in text
    assert "estimated, not measured" in text
    assert "SEEN, 180 epochs, seed 2022" in text
    assert "Seeds: 2 of SEEN, 2 of ours. Energy" in printed([1, 2], [0, 1])


def test_figures_of_a_run_are_those_of_its_best():
    best = {"params": 3, "synops": 2e6, "spikes_per_neuron": 0.2, "protocol": {}}
    row = seen_baseline.describe_run(Path("runs/x"), {"seed": 4, "best": [best, {}]})
    assert row["seed"] == 4
    assert row["joules"]["nominal"] == pytest.approx(1.8e-6)


def test_no_run_is_named():
    with pytest.raises(InputError, match="at least one finished run"):
        seen_baseline.compare_with_seen(seen_baseline.SeenArguments(runs=(), out=Path("x")))
