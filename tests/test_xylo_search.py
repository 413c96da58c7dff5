"""Search for networks of the chip: space, inputs, prices, populations, and a whole run."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hardware.xylo.core import simulate
from hardware.xylo.decision import classify
from hardware.xylo.families import family, violations
from hardware.xylo.mappings.native_training import NativeTrainConfig
from search import evolve
from search.config import XyloConfig
from search.loop.goal import make_goal
from search.loop.run_directory import to_dict
from search.presets import preset
from search.saved_config import from_dict
from search.spaces.features import Features, fits, full_scale, pool, scale
from search.spaces.xylo import Candidate, xylo_space
from search.strategies.xylo import measure as xylo_measure
from search.strategies.xylo.evaluation import Evaluator
from search.strategies.xylo.exact import ExactPopulation
from search.strategies.xylo.population import (
    ChipScores,
    Inputs,
    NativePopulation,
    XyloNetwork,
    single,
    war_and_uar,
)
from search.strategies.xylo.scores import FIELDS, OBJECTIVES, counts, price, silent_gap, skeleton
from search.strategies.xylo.scores import score_network as xylo_score
from ttfs_jax.datasets import digits
from ttfs_jax.support.errors import InputError
from ttfs_jax.training.dense import DenseTrainConfig

SPACE = xylo_space((24, 24, 8), 7, polarities=2)
NATIVE = Candidate(Features(4, 4), 0, (8, 6), 8, 16, 3, 4, "native")


def test_features_by_hand():
    # Two frames of ON and OFF, 2 × 2 pixels: channels are frame-major.
    image = np.arange(16, dtype=np.float32).reshape(1, 2, 2, 4)
    np.testing.assert_array_equal(pool(image, Features(1, 1, 2, 2), polarities=2), [[6, 7, 8, 9]])
    np.testing.assert_array_equal(pool(image, Features(1, 1, 2, 1), polarities=2), [[6.5, 8.5]])
    np.testing.assert_array_equal(pool(image, Features(2, 1, 1, 1), polarities=2), [[3.5, 11.5]])
    assert not fits(Features(4, 4), (2, 2, 4), polarities=2)
    with pytest.raises(InputError, match="4x4/1f/1p do not divide"):
        pool(image, Features(4, 4), polarities=2)


def test_scaling_by_hand():
    full = full_scale(np.array([[0.0, 0.0], [4.0, 0.0]]))
    assert full[0] == pytest.approx(3.92)  # 98 % quantile
    assert full[1] == 1.0  # nothing to scale by
    np.testing.assert_allclose(scale(np.array([[1.0, 2.0]]), np.array([4.0, 1.0])), [[0.25, 1.0]])
    np.testing.assert_allclose(
        scale(np.array([[1.0, 0.0]]), np.array([4.0, 1.0]), root=True), [[0.5, 0.0]]
    )


def test_genotypes_stand_for_networks():
    genotype = np.zeros(7, int)
    names = [gene.name for gene in SPACE.genes]
    genotype[names.index("width_0")] = 2
    genotype[names.index("width_2")] = 1
    candidate = SPACE.decode(genotype)
    assert candidate.widths == (32, 16)  # the middle layer has width 0 and is left out
    assert (candidate.window, candidate.steps) == (8, 16)
    assert (candidate.dash_syn, candidate.dash_mem) == (2, 3)
    assert SPACE.describe(genotype)["mapping"] == candidate.mapping == "native"
    assert all(12 <= grid.count <= 16 for grid in SPACE.grids)


def test_sampled_genotypes_are_all_legal():
    for genotype in np.asarray(SPACE.sample(jax.random.key(0), 50)):
        candidate = SPACE.decode(genotype)
        assert 1 <= len(candidate.widths) <= 3
        assert not violations(skeleton(candidate, 7), family("xylo-a3"))


def test_images_without_a_grid_are_refused():
    with pytest.raises(InputError, match="no grid of --space xylo divides"):
        xylo_space((7, 7, 1), 10, polarities=1)


def measured(**change):
    values = {
        "war": 0.5,
        "uar": 0.5,
        "decided": 1.0,
        "step": 10.0,
        "spikes": 5.0,
        "active_inputs": 0.05,
        "active_hidden": 0.02,
    }
    return ChipScores(**{name: jnp.asarray(value) for name, value in (values | change).items()})


def test_price_by_hand():
    """Cycles of sample and gap by the vendor's formula, energy from the sum."""
    network = XyloNetwork(NATIVE, skeleton(NATIVE, 7), NATIVE.steps, ())
    found, seconds = price(network, measured(), XyloConfig(), target="xylo-a3")
    hidden, fan_out = 14, (8 * 6 + 14) / 14  # every neuron inhibits itself
    busy = 16 * (3.5 * 0.05 * 8 + 1) + hidden * (7 * 0.02 * fan_out + 3)
    busy += 6 * 0.02 * (1 + 8 * 7) + hidden * (19 + 3 * 0.02) + 12 * 7
    silent = 16 + hidden * 22 + 12 * 7
    gap = silent_gap(NATIVE, XyloConfig())
    assert gap == 6 * 2**4
    cycles = NATIVE.steps * busy + gap * silent
    assert found.energy is not None
    per_cycle = (141e-6 + 12e-6) / 50e6 + 25.3e-12 + 2.45e-12 + 20e-12
    assert found.energy.nominal == pytest.approx(per_cycle * cycles, rel=1e-4)
    assert seconds == pytest.approx(busy / 50e6, rel=1e-5)
    assert silent_gap(dataclasses.replace(NATIVE, mapping="exact"), XyloConfig()) == 0


def test_limits_of_the_run_count_as_those_of_the_chip():
    network = XyloNetwork(NATIVE, skeleton(NATIVE, 7), 16, ())
    limits = {"energy_uj": 0.1, "latency_ms": 0.001, "memory_kib": None}
    for bounds, number in ((limits, 2), ({}, 0)):
        goal = make_goal(("war", "energy"), bounds, offered=OBJECTIVES)
        scores, _ = xylo_score(network, measured(), XyloConfig(), target="xylo-a3", goal=goal)
        assert scores["violations"] == number


def test_counts_by_hand():
    """8 and 6 neurons behind 16 channels; the first layer is full, every neuron inhibits itself."""
    network = XyloNetwork(NATIVE, skeleton(NATIVE, 7), 16, ())
    taken = counts(network, measured(spikes=28.0))
    inwards, onwards = 16 * 8, 8 * 6 + 14 + 6 * 7
    assert (taken["neurons"], taken["synapses"]) == (14, inwards + onwards)
    assert taken["params"] == inwards + onwards + 14 + 7
    assert taken["memory"] == inwards + onwards + 2 * 3 * (14 + 7)
    # 0.05 of 16 channels spike in each of 16 steps, onto 8 neurons each.
    assert taken["synops"] == pytest.approx(0.05 * 16 * 16 * 8 + 28 * onwards / 14)
    assert taken["time_steps"] == 16


def test_an_undecided_sample_counts_as_wrong():
    war, uar = war_and_uar(jnp.array([0, -1, 1, 1]), jnp.array([0, 0, 1, 1]), classes=2)
    assert float(war) == 0.75
    assert float(uar) == 0.75


@pytest.fixture(scope="module")
def inputs():
    data = digits.load_digits()
    return {
        part: Inputs(
            pool(getattr(data, part).images, Features(4, 4), polarities=1)[None],
            getattr(data, part).labels,
        )
        for part in ("train", "validation")
    }


def test_native_population_gives_what_each_network_does_on_the_chip(inputs):
    """Scores come from the very core: those of the network laid out for the chip."""
    candidates = [
        dataclasses.replace(NATIVE, widths=widths) for widths in ((12, 8), (16, 4), (20,))
    ]
    population = NativePopulation(inputs, NativeTrainConfig(epochs=4), classes=10, widest=20)
    found = population.train(candidates, np.arange(3))
    for candidate, one in zip(candidates, found, strict=True):
        network = single(candidate, one)
        assert network.chip.sizes[1] == sum(candidate.widths)
        part = inputs["validation"]
        events = network.events(part.values[0])
        decided = classify(network.chip, events)
        right = (decided.decision.classes == part.labels).mean()
        assert float(one.measured.war) == pytest.approx(right, abs=1e-6)
        assert float(one.measured.spikes) == pytest.approx(decided.spikes, rel=1e-4)
        assert float(one.measured.active_hidden) == pytest.approx(decided.active_hidden, rel=1e-4)
        assert float(one.measured.step) == pytest.approx(decided.decision.steps.mean(), rel=1e-4)


def test_a_candidate_does_not_depend_on_its_neighbours(inputs):
    population = NativePopulation(inputs, NativeTrainConfig(epochs=1), classes=10, widest=12)
    one = dataclasses.replace(NATIVE, widths=(12, 8))
    other = dataclasses.replace(NATIVE, widths=(6, 4))
    (alone,) = population.train([one], np.array([5]))
    _, beside = population.train([other, one], np.array([3, 5]))
    jax.tree.map(np.testing.assert_array_equal, alone, beside)


def test_exact_population_is_measured_on_the_chip(inputs):
    candidate = dataclasses.replace(NATIVE, widths=(16,), window=16, mapping="exact")
    population = ExactPopulation(
        inputs, DenseTrainConfig(epochs=30), classes=10, chip="xylo-a3", widest=16
    )
    (network,) = population.train([candidate], np.array([0]))
    assert network is not None
    found = xylo_measure.measure_on_chip(network, inputs["validation"], classes=10).measured
    assert found.war > 0.7
    assert network.steps == 3 * 16 + 2
    grown = xylo_measure.filled(network.chip)
    assert grown.sizes[1] % 64 == 0
    events = network.events(inputs["validation"].values[0][:4])
    ours, theirs = simulate(network.chip, events), simulate(grown, events)
    np.testing.assert_array_equal(ours.spikes_out, theirs.spikes_out)
    np.testing.assert_array_equal(ours.spikes, theirs.spikes[:, :, : network.chip.sizes[1]])


def test_what_does_not_fit_the_chip_is_not_trained():
    """65 neurons reached from one are more than Xylo-Audio 2 allows."""
    wide = dataclasses.replace(NATIVE, widths=(64, 64))
    assert len(violations(skeleton(wide, 7), family("xylo-a2"))) == 1

    class Nobody:
        def train(self, candidates, seeds):
            assert not candidates
            return []

    evaluator = Evaluator.__new__(Evaluator)
    evaluator._space, evaluator._target, evaluator._seed = SPACE, "xylo-a2", 0
    evaluator._fields = FIELDS
    evaluator._populations = Nobody()
    ((row,), (network,)) = evaluator.score([wide])
    assert network is None
    assert row["violations"] == 1
    assert np.isnan(row["war"])


def test_presets_of_the_space_survive_their_file():
    config = preset("eye", "default", space="xylo")
    assert config.evolution.algorithm == "nsga2"
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--objectives", "war", "cost"], "unknown --objectives 'cost'"),
        (["--target", "cmos45"], "unknown chip 'cmos45'"),
        (["--evolution.algorithm", "genetic"], "several objectives"),
        (["--xylo.batch-size", "5000"], "xylo.batch-size 5000"),
    ],
)
def test_unsound_options_end_in_one_line(options, message, capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        evolve.main(
            ["--data", "digits", "--space", "xylo", "--run-dir", str(tmp_path / "run"), *options]
        )
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
