"""A plan that no code has seen goes all the way: three inputs to one add, two read-outs."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttfs_jax
from hardware.nir_export import load_nir, save_nir
from hardware.nir_import import network_from_nir
from hardware.nir_network import network_to_nir
from hardware.targets import target, workload
from ttfs_jax import Model, Network, Plan, TrainConfig, datasets
from ttfs_jax.network import make_timeline
from ttfs_jax.network.kinds import (
    add,
    average_pool,
    concatenate,
    convolution,
    dense,
    earliest_pool,
    readout,
)

pytestmark = pytest.mark.xdist_group("novel plan")

PLAN = Plan(
    (8, 8, 1),
    (
        convolution("wide", 6, kernel=5),
        convolution("small", 6, kernel=1, after="input"),
        convolution("again", 6, after="wide", add="small"),
        add("sum", ("wide", "small", "again")),
        earliest_pool("first"),
        average_pool("mean", after="sum"),
        concatenate("both", ("first", "mean")),
        dense("head", 16),
        readout("digit", 10),
        readout("where", 1, kernel=3, after="both"),
    ),
)
NETWORK, ALL = Network(PLAN), ttfs_jax.largest(PLAN, time_bits=6)
EXACT = ttfs_jax.largest(PLAN)
NEURONS = {"wide": 384, "small": 384, "again": 384, "sum": 384, "head": 16}


@pytest.fixture(scope="module")
def data():
    return datasets.load_dataset("digits")


@pytest.fixture(scope="module")
def trained(data):
    """Trained as a ReLU network, converted, and fine-tuned for one epoch in spike times."""
    images, labels = data.train.images, data.train.labels
    variables = ttfs_jax.initialise(NETWORK, jax.random.key(0))
    relu = ttfs_jax.make_train(NETWORK, TrainConfig(epochs=8, batch_size=64), samples=len(labels))
    state, epoch = relu.init(variables), jax.jit(relu.epoch)
    for _ in range(8):
        state, _ = epoch(state, ALL, images, labels, 0)
    convert = jax.jit(lambda v: ttfs_jax.fold(ttfs_jax.calibrate(NETWORK, v, ALL, images[:256])))
    config = TrainConfig(epochs=1, learning_rate=3e-4)
    spikes = ttfs_jax.make_train(NETWORK, config, samples=len(labels), code="ttfs")
    state, loss = jax.jit(spikes.epoch)(
        spikes.init(convert(state.variables)), ALL, images, labels, 0
    )
    assert np.isfinite(loss)
    return Model(PLAN, ALL, state.variables, {"dataset": "digits"})


@pytest.fixture(scope="module")
def measured(trained, data):
    run = jax.jit(partial(ttfs_jax.evaluate, NETWORK, code="ttfs"))
    return run(trained.variables, ALL, data.test.images, data.test.labels)


def test_it_learns_in_both_codes(trained, measured, data):
    assert float(measured.war) > 0.9  # in 6-bit spike times
    assert float(measured.clip_rate) < 1e-3
    report = ttfs_jax.compare(NETWORK, trained.variables, ALL, data.test.images)
    assert report.failures == ()
    assert report.spikes_per_neuron.keys() == NEURONS.keys()


def test_the_codes_are_equal_in_double_precision(trained, data):
    with jax.enable_x64(True):
        images = jnp.asarray(data.test.images[:64], float)
        variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), trained.variables)
        # Windows grew on training images: make room for all of these.
        variables = ttfs_jax.calibrate(NETWORK, variables, EXACT, images, batch_statistics=False)
        relu, ttfs = (
            jax.jit(partial(NETWORK.apply, code=code))(variables, images, EXACT).readouts
            for code in ("relu", "ttfs")
        )
    assert list(relu) == ["digit", "where"]
    for name in relu:
        assert np.abs(relu[name]).max() > 0.01
        np.testing.assert_allclose(ttfs[name], relu[name], atol=1e-10)


def test_it_is_counted_and_estimated(measured):
    rows = {row.name: row for row in ttfs_jax.layer_counts(PLAN, ALL, measured)}
    assert {name: int(row.neurons) for name, row in rows.items()} == NEURONS | {
        "digit": 0,
        "where": 0,
    }
    weights = {name: int(row.weights) for name, row in rows.items()}
    assert weights == {
        "wide": 25 * 6,
        "small": 6,
        "again": 9 * 36,
        "sum": 0,
        "head": 16 * 12 * 16,
        "digit": 160,
        "where": 9 * 12,
    }
    # Each spike of a layer that is added reaches one neuron.
    spikes = {name: float(measured.spikes[name].sum()) for name in ("wide", "small", "again")}
    assert float(rows["sum"].synops) == pytest.approx(sum(spikes.values()), rel=1e-5)
    assert float(rows["again"].multiply_adds) == 64 * 9 * 36
    load = workload(PLAN, ALL, measured)
    assert (load.inputs, load.outputs) == (64, 10 + 16)
    for name, joules in {"cmos45": 0.9e-12, "sne": 0.221e-12}.items():
        energy = target(name).estimate(load).energy
        assert energy.nominal == pytest.approx(float(load.total.synops) * joules, rel=1e-5)


def test_its_windows_follow_what_each_layer_hears(trained):
    timeline = make_timeline(PLAN, ALL, trained.variables["windows"])
    order = {name: slot.number for name, slot in timeline.slots.items()}
    assert order == {
        "input": 0,
        "wide": 1,
        "small": 1,
        "again": 2,
        "sum": 3,
        "first": 3,
        "head": 4,
    }
    assert timeline.steps == 5 * 64 == trained.timeline.steps
    assert list(trained.signals(np.zeros((1, 8, 8, 1)))) == list(order)


def test_it_is_saved_loaded_exported_and_imported(trained, data, tmp_path):
    images = data.test.images[:20]
    ttfs_jax.save_model(tmp_path / "net", trained)
    back = ttfs_jax.load(tmp_path / "net")
    np.testing.assert_array_equal(back(images), trained(images))
    assert back.plan == PLAN
    save_nir(tmp_path / "net.nir", network_to_nir(trained))
    imported = network_from_nir(load_nir(tmp_path / "net.nir"))
    assert imported.plan.readouts == ("digit", "where")
    np.testing.assert_allclose(
        imported(images, code="relu"), trained(images, code="relu"), rtol=1e-4, atol=1e-4
    )
