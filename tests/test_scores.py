"""Metrics, losses, windows, read-outs and counts against hand numbers and other libraries."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from search.reports.figures import running_best
from search.reports.history import front_of
from search.reports.networks import OBJECTIVES
from search.spaces.registry import make_space
from ttfs_jax.codes import window as windows
from ttfs_jax.codes.encoding import encode, first_spike_readout
from ttfs_jax.evaluation.measure import clipped_share, evaluate
from ttfs_jax.network.architecture import (
    CONV5,
    RESIDUAL,
    SKIP,
    Architecture,
    NetworkSpec,
    largest,
    mask,
)
from ttfs_jax.network.counts import count, neurons_by_layer
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.population.program import map_members
from ttfs_jax.spike_time import NO_SPIKE
from ttfs_jax.tasks.losses import cross_entropy, first_spike_cross_entropy
from ttfs_jax.tasks.recall import (
    confusion,
    unweighted_average_recall,
    weighted_average_recall,
)

LABELS = np.array([0, 0, 0, 0, 2, 2, 3])
PREDICTIONS = np.array([0, 0, 0, 1, 2, 0, 1])


def test_recalls_equal_scikit_learn():
    counts = confusion(jnp.asarray(LABELS), jnp.asarray(PREDICTIONS), classes=5)
    theirs = reference.confusion_matrix(LABELS, PREDICTIONS, labels=range(5))
    np.testing.assert_array_equal(counts, theirs)
    war = reference.accuracy_score(LABELS, PREDICTIONS)
    assert weighted_average_recall(counts) == pytest.approx(war)
    uar = reference.recall_score(LABELS, PREDICTIONS, average="macro", labels=[0, 2, 3])
    assert unweighted_average_recall(counts) == pytest.approx(uar)


def test_losses_by_hand():
    logits = jnp.log(jnp.array([[0.5, 0.25, 0.25]]))
    assert cross_entropy(logits, jnp.array([1])) == pytest.approx(np.log(4))
    smooth = cross_entropy(logits, jnp.array([1]), smoothing=0.3)
    assert smooth == pytest.approx(0.8 * np.log(4) + 0.1 * np.log(2) + 0.1 * np.log(4))
    times = jnp.array([[0.5, NO_SPIKE]])

    def loss(times):
        return first_spike_cross_entropy(times, jnp.array([0]), window=jnp.array(1.0))

    value, gradient = jax.value_and_grad(loss)(times)
    assert value == pytest.approx(np.log(1 + np.exp(-0.5)))
    np.testing.assert_allclose(gradient, [[1 / (1 + np.exp(0.5)), 0.0]], rtol=1e-5)


def test_windows_by_hand():
    assert windows.window_length(jnp.array(2.0), margin=1.5) == 3.0
    assert windows.window_length(jnp.array(0.0), margin=1.5) == 1.0
    assert windows.grow(jnp.array(3.0), jnp.array(4.0), margin=1.25) == 5.0
    assert windows.grow(jnp.array(3.0), jnp.array(1.0), margin=1.25) == 3.0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.0, 1.0, width=32), min_size=1, max_size=8), st.integers(1, 8))
def test_quantised_times_move_by_half_a_step_at_most(values, bits):
    times = encode(jnp.asarray(values, jnp.float32))
    rounded = np.asarray(windows.quantise(times, jnp.array(1.0), jnp.array(bits)))
    late = np.asarray(times) >= 1 - 0.5**bits / 2
    kept = np.isfinite(rounded)
    assert (kept | late).all()
    assert (np.abs(rounded[kept] - np.asarray(times)[kept]) <= 0.5**bits / 2 + 1e-6).all()
    np.testing.assert_array_equal(rounded[kept] * 2**bits, np.round(rounded[kept] * 2**bits))


def test_first_output_spike_is_the_largest_logit():
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(50, 7)), jnp.float32)
    times = first_spike_readout(logits, jnp.array(12.0), jnp.array(5.0))
    np.testing.assert_array_equal(times.argmin(-1), logits.argmax(-1))
    silent = first_spike_readout(jnp.array([1.0, -1.0]), jnp.array(2.0), jnp.array(0.0))
    np.testing.assert_array_equal(silent, [1.0, NO_SPIKE])


SPEC = NetworkSpec((6, 6, 1), 3, (3, 4), (1, 1), head_width=5)
NETWORK = Network(SPEC)


def images(count=4):
    drawn = np.random.default_rng(0).uniform(-0.5, 1.0, (count, 6, 6, 1))
    return jnp.asarray(np.maximum(drawn, 0.0), jnp.float32)


def brute_force(signals, chosen, batch):
    """Walk over every spike and every synapse of its neuron, one by one."""

    def spikes(name):
        return np.asarray(signals[name].values) != NO_SPIKE

    def convolved(active, size, into):
        total = 0
        height, width = active.shape[1:3]
        for _, y, x, _ in np.argwhere(active):
            reach = itertools.product(range(-(size // 2), size // 2 + 1), repeat=2)
            inside = [0 <= y + i < height and 0 <= x + j < width for i, j in reach]
            total += sum(inside) * into
        return total

    widths = np.asarray(chosen.widths).tolist()
    total = convolved(spikes("input"), 3, widths[0])
    total += convolved(spikes("stem"), 5, widths[0])  # block 0 is conv5x5
    total += convolved(spikes("pool1"), 3, widths[1])
    entry = spikes("entry_0")
    total += convolved(entry, 3, widths[1]) + entry.sum()  # block 1 is residual
    total += int(chosen.head) * spikes("block_1/second").sum()
    total += SPEC.classes * spikes("head").sum()
    return total / batch


@pytest.mark.slow
def test_synops_equal_a_walk_over_all_synapses():
    chosen = Architecture(
        jnp.array([CONV5, RESIDUAL]), jnp.array([2, 3]), jnp.array(4), jnp.array(0)
    )
    variables = initialise(NETWORK, jax.random.key(0))
    x, labels = images(), jnp.array([0, 1, 2, 0])
    measured = jax.jit(evaluate, static_argnums=0)(NETWORK, variables, chosen, x, labels)
    counts = count(SPEC, chosen, measured)
    out = jax.jit(partial(NETWORK.apply, code="ttfs", record=True))(variables, x, chosen)
    inner = float(measured.spikes["block_1/first"].sum())
    near = np.array([[4, 6, 4], [6, 9, 6], [4, 6, 4]])
    middle = float((measured.spikes["block_1/first"] * near).sum()) * 3
    assert inner > 0
    assert counts.synops == pytest.approx(brute_force(out.signals, chosen, 4) + middle)
    # stem, 5 × 5, entry, residual pair, head over 2 × 2 × 3 pooled inputs, output
    assert counts.params == 2 * 10 + 2 * 51 + 3 * 19 + 2 * 3 * 28 + 4 * 13 + 3 * 5
    neurons = 36 * 2 * 2 + 9 * 3 * 3 + 4
    assert counts.neurons == neurons
    assert measured.spikes_per_neuron == pytest.approx(float(counts.spikes) / neurons)


def test_skipped_blocks_cost_nothing():
    chosen = Architecture(jnp.array([SKIP, SKIP]), jnp.array([3, 4]), jnp.array(5), jnp.array(0))
    variables = initialise(NETWORK, jax.random.key(0))
    labels = jnp.array([0, 1, 2, 0])
    measured = jax.jit(evaluate, static_argnums=0)(NETWORK, variables, chosen, images(), labels)
    counts = count(SPEC, chosen, measured)
    assert counts.neurons == 36 * 3 + 9 * 4 + 5
    assert counts.params == 3 * 10 + 4 * 28 + 5 * (4 * 4 + 1) + 3 * 6


def test_chunks_of_a_population_give_the_same_results():
    def member(seed, scale):
        return scale * jax.random.normal(jax.random.key(seed), (3,))

    seeds, scales = jnp.arange(5), jnp.arange(5.0)
    together = map_members(member, seeds, scales, lanes=5)
    for lanes in (1, 2, None):
        np.testing.assert_allclose(
            map_members(member, seeds, scales, lanes=lanes), together, rtol=1e-6
        )
    np.testing.assert_array_equal(mask(jnp.array(2), 3), [True, True, False])


def test_pareto_front_and_running_best():
    history = pa.table(
        {
            "war": [0.9, 0.8, 0.9, 0.7, np.nan],
            "uar": [0.9, 0.8, 0.9, 0.7, np.nan],
            "synops": [100.0, 50.0, 120.0, 60.0, 1.0],
        }
    )
    assert front_of(history, OBJECTIVES).tolist() == [True, True, False, False, False]
    assert running_best(np.array([1.0, np.nan, 0.5, 2.0])).tolist() == [1.0, 1.0, 1.0, 2.0]


def test_counts_of_a_large_set_of_large_images_do_not_overflow():
    """Samples × neurons exceeds 2³¹ for images of 90 × 90 pixels and a test set of SEE's size."""
    spec = make_space("conv", (90, 90, 8), 7).spec
    chosen = largest(spec)
    neurons = sum(jax.jit(lambda a: list(neurons_by_layer(spec, a).values()))(chosen))
    samples = 9620
    assert samples * int(neurons) > 2**31
    every = jnp.full(samples, neurons)
    share = jax.jit(clipped_share)(every, neurons) / samples
    assert share == pytest.approx(1.0, rel=1e-6)
    one = jnp.zeros(samples, jnp.int32).at[3].set(1)
    assert float(clipped_share(one, neurons)) / samples == pytest.approx(
        1.0 / samples / int(neurons)
    )
    # Shapes only: no count over the samples is kept in integers, but those of the classes.
    shapes = jax.eval_shape(
        lambda variables, images, labels: evaluate(
            Network(spec), variables, chosen, images, labels
        ),
        jax.eval_shape(lambda: initialise(Network(spec), jax.random.key(0))),
        jax.ShapeDtypeStruct((samples, 90, 90, 8), jnp.float32),
        jax.ShapeDtypeStruct((samples,), jnp.int32),
    )
    integers = {
        name
        for name, leaf in vars(shapes).items()
        for part in jax.tree.leaves(leaf)
        if jnp.issubdtype(part.dtype, jnp.integer)
    }
    assert integers == {"predictions", "confusion", "first_spike_confusion"}
