"""Counts by layer and the hardware targets, against hand numbers."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chips import dense

from hardware.accelerator import Accelerator
from hardware.target import DISCLAIMER, Estimate, Range, Target, Workload
from hardware.targets import TARGETS, target, workload
from hardware.xylo.chips import MappedNetwork, Xylo
from hardware.xylo.chips import workload as chip_workload
from hardware.xylo.core import simulate
from hardware.xylo.cycles import cycles_per_step
from ttfs_jax.evaluation.measure import evaluate
from ttfs_jax.network.architecture import CONV3, CONV5, RESIDUAL, SKIP, Architecture, NetworkSpec
from ttfs_jax.network.counts import (
    LayerCounts,
    count,
    count_rows,
    layer_counts,
    multiply_adds,
    sum_layers,
)
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.support.errors import InputError
from ttfs_jax.tasks import Measured

pytestmark = pytest.mark.xdist_group("targets")

SPEC = NetworkSpec((6, 6, 1), 3, (3, 4), (1, 1), head_width=5)
ROWS = ["stem", "block_0/first", "block_0/second", "entry_0", "block_1/first", "block_1/second"]


def architecture(first, second, widths=(2, 3), head=4):
    return Architecture(
        jnp.array([first, second]), jnp.array(widths), jnp.array(head), jnp.array(0)
    )


@pytest.fixture(scope="module")
def measure():
    network = Network(SPEC)
    variables = initialise(network, jax.random.key(0))
    drawn = np.random.default_rng(0).uniform(-0.5, 1.0, (4, 6, 6, 1))
    images, labels = jnp.asarray(np.maximum(drawn, 0), jnp.float32), jnp.array([0, 1, 2, 0])
    return jax.jit(lambda chosen: evaluate(network, variables, chosen, images, labels))


def everything_spikes(chosen):
    """Measurements of a network in which every neuron in use and every input spikes."""
    narrow, wide = (int(width) for width in chosen.widths)

    def plane(size, channels):
        return jnp.full((size, size), channels, jnp.float32)

    twice = [float(operator == RESIDUAL) for operator in chosen.operators]
    runs = [float(operator != SKIP) for operator in chosen.operators]
    return Measured(
        **dict.fromkeys(
            (
                "predictions",
                "confusion",
                "war",
                "uar",
                "first_spike_confusion",
                "spikes_per_neuron",
                "clip_rate",
            ),
            jnp.zeros(()),
        ),
        spikes={
            "stem": plane(6, narrow),
            "block_0/first": plane(6, narrow) * runs[0],
            "block_0/second": plane(6, narrow) * twice[0],
            "entry_0": plane(3, wide),
            "block_1/first": plane(3, wide) * runs[1],
            "block_1/second": plane(3, wide) * twice[1],
            "head": plane(1, int(chosen.head)),
        },
        passed={"input": plane(6, 1), "pool1": plane(3, narrow), "body": plane(3, wide)},
    )


def test_layers_add_up_to_the_count(measure):
    chosen = architecture(CONV5, RESIDUAL)
    measured = measure(chosen)
    layers, counts = layer_counts(SPEC, chosen, measured), count(SPEC, chosen, measured)
    assert [layer.name for layer in layers] == [*ROWS, "head", "output"]
    rows = count_rows(layers)
    assert sum(row["neurons"] for row in rows) == counts.neurons
    assert sum(row["params"] for row in rows) == counts.params
    # Added in the order of the rows, in float32 as there.
    for name in ("spikes", "synops"):
        added = np.float32(0)
        for row in rows:
            added += np.float32(row[name])
        assert added == getattr(counts, name) > 0
    assert counts.spikes == pytest.approx(sum(float(s.sum()) for s in measured.spikes.values()))


@pytest.mark.parametrize("operators", [(CONV3, SKIP), (CONV5, RESIDUAL), (RESIDUAL, CONV5)])
def test_multiply_adds_are_those_of_the_search(operators):
    chosen = architecture(*operators)
    layers = layer_counts(SPEC, chosen, everything_spikes(chosen))
    assert sum_layers(layers).multiply_adds == multiply_adds(
        SPEC, np.eye(4)[list(operators)], [2, 3], 4
    )


@pytest.mark.parametrize("operators", [(CONV3, SKIP), (CONV5, RESIDUAL), (RESIDUAL, CONV5)])
def test_synapses_are_the_synops_of_a_network_in_which_everything_spikes(operators):
    chosen = architecture(*operators)
    for row in count_rows(layer_counts(SPEC, chosen, everything_spikes(chosen))):
        assert row["synops"] == row["synapses"], row


def test_a_row_by_hand(measure):
    chosen = architecture(CONV5, RESIDUAL)
    rows = {r["layer"]: r for r in count_rows(layer_counts(SPEC, chosen, measure(chosen)))}
    second = rows["block_1/second"]
    # 3 × 3 positions, 3 × 3 kernel, 3 channels to 3; at 8-bit weights and 16-bit states.
    assert second["multiply_adds"] == 9 * 9 * 9 and second["params"] == 9 * 9 + 3
    assert second["neurons"] == second["updates"] == 27
    assert second["weight_memory"] == 8 * 81 and second["state_memory"] == 16 * (27 + 3)
    # 49 pairs of positions among 3 × 3 neurons, 9 connections of the skip per channel.
    assert second["synapses"] == 49 * 9 + 27
    # Nothing runs there: conv 5 × 5 is one layer.
    assert not any(rows["block_0/second"][key] for key in second if key != "layer")
    output = rows["output"]
    assert output["neurons"] == output["spikes"] == 0
    assert output["updates"] == 3 and output["params"] == 4 * 3 + 3


def test_counts_map_over_a_population(measure):
    members = [architecture(CONV5, RESIDUAL), architecture(SKIP, CONV3, widths=(3, 4))]
    chosen = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    measured = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(measure, members))
    layers = jax.jit(jax.vmap(lambda a, m: layer_counts(SPEC, a, m)))(chosen, measured)
    for number, one in enumerate(members):
        alone = layer_counts(SPEC, one, measure(one))
        assert count_rows(jax.tree.map(lambda leaf, n=number: leaf[n], layers)) == count_rows(alone)


def some(**values):
    """A workload of one layer."""
    zeros = dict.fromkeys((f.name for f in dataclasses.fields(LayerCounts)), 0.0)
    return Workload(784, 10, (LayerCounts(**(zeros | values | {"name": "all"})),))


def microjoules(estimate):
    return [1e6 * value for value in dataclasses.astuple(estimate.energy)]


def test_arithmetic_at_45_nm_by_hand():
    load = some(synops=1e6, multiply_adds=2e6)
    spiking, twin = (target(name).estimate(load) for name in ("cmos45", "cmos45-relu"))
    assert microjoules(spiking) == pytest.approx([0.1, 0.9, 4.6])
    assert microjoules(twin) == pytest.approx([0.6, 9.2, 9.2])
    assert spiking.fits and spiking.latency is None and spiking.power is None
    assert "no memory traffic" in str(spiking) and "ReLU twin" in str(twin)


@pytest.mark.parametrize(
    ("synops", "expected"),
    [
        # 0.751 mW · 47.71 ms = 35.83 µJ
        (1.5e3, (35.83 * 1.5e3 / 2e6, 35.83 * 1.5 / 173, 35.83)),
        (4e6, (35.83, 35.83 * 4000 / 173, 35.83 * 4000 / 15)),
        (0.0, (0.0, 0.0, 35.83)),
    ],
)
def test_accelerator_is_scaled_from_one_figure(synops, expected):
    found = target("ttfs-accelerator").estimate(some(synops=synops))
    assert microjoules(found) == pytest.approx(expected, rel=1e-4)
    assert found.latency is None and "unknown size" in str(found)
    assert found.constants["power"].value.nominal == 0.751e-3


def test_workload_without_layers_is_refused():
    for one in (Accelerator(), target("cmos45")):
        with pytest.raises(InputError, match="take counts.layer_counts"):
            one.estimate(Workload(16, 7, ()))


def test_convolutional_network_does_not_fit_xylo_and_why(measure):
    chosen = architecture(CONV5, RESIDUAL, widths=(3, 4), head=5)
    spec = dataclasses.replace(SPEC, classes=40)
    measured = measure(chosen)
    found = target("xylo-a3").estimate(workload(spec, chosen, measured))
    assert not found.fits and found.energy is None and found.power is None
    assert found.reasons == (
        "36 inputs, Xylo-Audio 3 has 16: pool the input to 16 features and use --space xylo",
        "40 outputs, Xylo-Audio 3 has 32: take out 8",
        "no mapping to the chip: use --space xylo",
    )
    text = str(found)
    assert DISCLAIMER in text and "energy not known" in text and "latency not known" in text
    # 6 · 6 · 16 neurons twice, 3 · 3 · 4 three times, head 5; connections by the kernels.
    wide = NetworkSpec((6, 6, 1), 3, (16, 4), (1, 1), head_width=5)
    large = dataclasses.replace(chosen, widths=jnp.array([16, 4]))
    reasons = target("xylo-a3").estimate(workload(wide, large, measured)).reasons
    assert "1,265 hidden neurons, Xylo-Audio 3 has 992: take out 273" in reasons
    assert "576 hidden neurons that inputs reach, Xylo-Audio 3 has 128: take out 448" in reasons
    # 5 × 5 over 6 × 6: (3+4+5+5+4+3)² pairs of positions, 3 × 3 over 3 × 3: 7² pairs.
    among = 24**2 * 256 + 49 * 64 + 2 * 49 * 16 + 36 + 36 * 5
    assert (
        f"{among:,} connections among hidden neurons, Xylo-Audio 3 has 31,744: "
        f"take out {among - 31_744:,}" in reasons
    )


def chip_run():
    network = dense(4, 6, 5, 3)
    events = np.zeros((2, 4, 4))
    events[0, 0, :2] = 3
    return network, events, simulate(network, events)


def test_chip_network_is_counted_by_hand():
    network, events, trace = chip_run()
    load = chip_workload(network, events, trace)
    first, second = (trace.spikes[..., part].sum() / 2 for part in (slice(6), slice(6, 11)))
    assert first > 0 and second > 0
    # 6 input events of sample 0 reach 6 neurons each.
    hidden, output = load.layers
    assert hidden.synops == 3 * 6 + first * 5 and output.synops == second * 3
    assert hidden.spikes == first + second and hidden.updates == 11 * 4 and output.updates == 3 * 4
    assert load.total.weights == 4 * 6 + 6 * 5 + 5 * 3
    assert (load.inputs, load.outputs, load.mapped.steps) == (4, 3, 4)
    assert load.mapped.activity.inputs == 2 / 32
    # 0.9 pJ a SynOp.
    synops = float(load.total.synops)
    assert microjoules(target("cmos45").estimate(load))[1] == pytest.approx(synops * 0.9e-6)


def test_chips_of_the_family_differ_in_cycles_and_certainty():
    network, events, trace = chip_run()
    load = chip_workload(network, events, trace)
    known, older, imu = (target(f"xylo-{chip}").estimate(load) for chip in ("a3", "a2", "imu"))
    assert all(one.fits for one in (known, older, imu))
    cycles = {
        full: float(cycles_per_step(network, load.mapped.activity, full_matrices=full))
        for full in (False, True)
    }
    assert known.latency == imu.latency == pytest.approx(4 * cycles[False] / 50e6)
    assert older.latency == pytest.approx(4 * cycles[True] / 50e6)
    assert cycles[True] > cycles[False]
    factors = np.array([0.5, 1.0, 1.5])
    np.testing.assert_allclose(microjoules(imu), factors * microjoules(known))
    assert "extrapolated" in str(imu) and "extrapolated" not in str(known)
    slow = Xylo("xylo-a3", clock_mhz=6.25, step_seconds=1e-3).estimate(load)
    assert slow.latency == 4e-3


def test_mapped_network_beyond_a_limit_is_told_so_with_its_cost():
    network = dense(17, 6, 5, 3)
    load = Workload(17, 3, (), mapped=MappedNetwork(network, 10))
    found = target("xylo-a3").estimate(load)
    assert found.reasons == ("17 input channels, Xylo-Audio 3 has 16: pool the input",)
    assert min(microjoules(found)) > 0 and "energy as if a larger chip held it" in str(found)
    with pytest.raises(InputError, match="needs at least 1 step, not 0"):
        MappedNetwork(network, 0)
    foreign = dataclasses.replace(load, mapped="a network mapped to another chip")
    assert "no mapping to the chip" in str(target("xylo-a3").estimate(foreign))


def test_every_target_says_low_nominal_high_and_estimated():
    network, events, trace = chip_run()
    load = chip_workload(network, events, trace)
    assert TARGETS.keys() >= {
        *("xylo-a2", "xylo-a3", "xylo-imu"),
        *("ttfs-accelerator", "cmos45", "cmos45-relu"),
    }
    for name, one in TARGETS.items():
        text = str(one.estimate(load))
        assert text.startswith(f"{name}, estimated, not measured: "), text
        assert "(low " in text and ", high " in text


def test_unknown_target_is_refused():
    with pytest.raises(InputError, match="did you mean cmos45"):
        target("cmos")


def test_a_new_target_is_one_class():
    class Free:
        name = "free"

        def estimate(self, workload):
            return Estimate(self.name, {"all": Range(0.0, 0.0, 0.0)}, 1.0)

    free: Target = Free()
    assert "0 µJ per inference (low 0, high 0), 1e+03 ms, 0 mW" in str(free.estimate(some()))
