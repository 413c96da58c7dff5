"""Distinct networks: one canonical genotype each, counted and drawn once."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_spaces import SKIP, SMALL, everything, network_of_blocks, small_space

from search.config import XyloConfig
from search.loop.goal import Goal
from search.spaces.convolutional import conv_space, deep_space
from search.spaces.registry import make_space
from search.spaces.xylo import xylo_space
from search.strategies.xylo.evaluation import Evaluator
from search.strategies.xylo.scores import FIELDS
from ttfs_jax.evaluation.measure import evaluate
from ttfs_jax.network.counts import count
from ttfs_jax.network.masked import Network, initialise

STAGES = small_space((1, 3, 2), (1, 2), (3,))
CHIP = xylo_space((8, 8, 1), 10, polarities=1)


def network_for_the_chip(space, genotype):
    """Name what a genotype says of its network, from the words of its choices."""
    words = space.describe(genotype)
    widths = [words["width_0"], words["width_1"], words["width_2"]]
    pace, mapping = words["pace"], words["mapping"]
    core = pace.split("/")[0] if mapping == "exact" else (pace, words["decay"])
    return words["features"], tuple(width for width in widths if width), core, mapping


@pytest.mark.parametrize(
    ("space", "network_of"),
    [(SMALL, network_of_blocks), (STAGES, network_of_blocks), (CHIP, network_for_the_chip)],
)
def test_canonical_genotypes_are_the_distinct_networks(space, network_of):
    """Over all genotypes of a space: one canonical one for each network, which is its own."""
    genotypes = everything(space)
    canonical = space.canonical(genotypes)
    names = [network_of(space, genotype) for genotype in genotypes.tolist()]
    pairs = set(zip(names, map(tuple, canonical.tolist()), strict=True))
    assert len(pairs) == len(set(names)) == len(set(map(tuple, canonical.tolist()))) == space.size
    assert [network_of(space, genotype) for genotype in canonical.tolist()] == names
    np.testing.assert_array_equal(space.canonical(canonical), canonical)


def test_sizes_by_hand():
    """A stage of b blocks with 3 operators beside skip: Σ 3^k, k = 0 … b, thus 4, 13 and 40."""
    assert SMALL.size == 13
    assert STAGES.size == 4 * 40 * 13 * 2**3
    assert conv_space((8, 8, 1), 10).size == 13**2 * 3**4
    assert conv_space((28, 28, 1), 10).size == 13**2 * 3**3 * 2
    assert make_space("conv-wide", (8, 8, 1), 10).size == 13**2 * 4**4
    assert deep_space((28, 28, 1), 10).size == 4 * 13**2 * 3**4 * 2
    # 5 first layers, 1 + 5 + 5² pairs of later ones; 4 paces × 4 decays, or 3 windows if exact.
    assert CHIP.size == len(CHIP.grids) * 5 * 31 * (4 * 4 + 3)
    exact = xylo_space((8, 8, 1), 10, polarities=1, mappings=("exact",))
    assert exact.size == len(exact.grids) * 5 * 31 * 3


def test_skips_go_last_and_the_others_keep_their_order():
    space = small_space((3, 2))
    genotype = [0, 3, 1, 0, 2, 0, 0, 0, 0]
    expected = [3, 1, 0, 2, 0, 0, 0, 0, 0]
    np.testing.assert_array_equal(space.canonical(np.array(genotype)), expected)
    np.testing.assert_array_equal(space.canonical(np.array([[genotype]])), [[expected]])
    assert genotype == [0, 3, 1, 0, 2, 0, 0, 0, 0]


def test_unused_genes_of_the_chip_by_hand():
    # Genes: features, three widths, pace, decay, mapping (native, exact).
    for genotype, expected in (
        ([1, 2, 0, 4, 2, 3, 0], [1, 2, 4, 0, 2, 3, 0]),  # the second of two later layers is none
        ([1, 2, 0, 4, 2, 3, 1], [1, 2, 4, 0, 1, 0, 1]),  # 16/32 is 16/24, and no decay
        ([1, 2, 3, 4, 0, 0, 1], [1, 2, 3, 4, 0, 0, 1]),
    ):
        np.testing.assert_array_equal(CHIP.canonical(np.array(genotype)), expected)


class Recorder:
    """Populations that train nobody and remember the seeds."""

    def __init__(self):
        self.seeds = {}

    def train(self, candidates, seeds):
        numbers = [candidate.numbers for candidate in candidates]
        self.seeds |= dict(zip(numbers, seeds.tolist(), strict=True))
        return [None] * len(candidates)


def test_seeds_on_the_chip_are_those_of_the_network():
    """Every genotype of a network has its numbers and its seed, whatever else trains beside it."""
    config = SimpleNamespace(xylo=XyloConfig(), target="xylo-a3")
    search: Any = SimpleNamespace(space=CHIP, config=config, goal=Goal(), seed=lambda purpose: 7)
    genotypes = everything(CHIP)
    genotypes = genotypes[genotypes[:, 0] == 1][::7]
    candidates = [CHIP.decode(genotype) for genotype in genotypes]
    same = [CHIP.decode(genotype) for genotype in CHIP.canonical(genotypes)]
    assert [one.numbers for one in candidates] == [one.numbers for one in same]
    assert [one.architecture for one in candidates] == [one.architecture for one in same]
    together, alone = Recorder(), Recorder()
    cases: list[tuple[Recorder, list]] = [(together, candidates[:60]), (alone, same[3:4])]
    for recorder, chosen in cases:
        populations: Any = recorder
        Evaluator(search, populations, 0, fields=FIELDS).score(chosen)
    assert len(set(together.seeds.values())) == len(together.seeds)
    ((numbers, seed),) = alone.seeds.items()
    assert together.seeds[numbers] == seed
    exact = CHIP.decode(np.array([0, 1, 2, 0, 2, 3, 1]))
    assert exact.numbers == (*exact.features, 16, 0, 0, 0, 1, 24, 24)
    assert (exact.architecture["pace"], exact.architecture["decay"]) == ("16", "none")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), name=st.sampled_from(["small", "stages", "chip"]))
def test_samples_are_canonical(seed, name):
    space = {"small": SMALL, "stages": STAGES, "chip": CHIP}[name]
    drawn = np.asarray(space.sample(jax.random.key(seed), 16))
    np.testing.assert_array_equal(space.canonical(drawn), drawn)
    one = np.array(space.draw(np.random.default_rng(seed)))
    np.testing.assert_array_equal(space.canonical(one), one)


def test_samples_are_uniform_over_distinct_networks():
    """13,000 draws of 13 networks: 1,000 each, give or take five standard deviations of 30."""
    sample = jax.jit(SMALL.sample, static_argnums=1)
    drawn = np.asarray(sample(jax.random.key(0), 13_000))
    generator = np.random.default_rng(0)
    others = [SMALL.draw(generator) for _ in range(13_000)]
    for rows in (drawn.tolist(), others):
        _, counts = np.unique(rows, axis=0, return_counts=True)
        assert len(counts) == 13
        np.testing.assert_allclose(counts, 1000, atol=152)


@cache
def variables():
    network = Network(SMALL.spec)
    drawn = initialise(network, jax.random.key(0))
    # Blocks that differ in everything they own.
    leaves, structure = jax.tree.flatten(drawn)
    noisy = [
        leaf * jax.random.uniform(jax.random.fold_in(jax.random.key(1), n), leaf.shape, minval=0.8)
        for n, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, noisy)


@pytest.mark.parametrize("code", ["relu", "ttfs"])
def test_a_skip_before_a_block_is_a_skip_behind_it(code):
    """The same network function, counts and scores when the block has the same weights."""
    network, own = Network(SMALL.spec), variables()
    exchanged = {
        kind: tree | {"block_0": tree["block_1"], "block_1": tree["block_0"]}
        for kind, tree in own.items()
    }
    images = jax.random.uniform(jax.random.key(2), (20, *SMALL.spec.image_shape))
    labels = jnp.arange(20) % SMALL.spec.classes

    @jax.jit
    def run(weights, genotype):
        architecture = SMALL.decode(genotype)
        logits = network.apply(weights, images, architecture, code=code).logits
        if code == "relu":
            return (logits,), ()
        measured = evaluate(network, weights, architecture, images, labels, code=code)
        counts = count(SMALL.spec, architecture, measured)
        sums = measured.spikes_per_neuron, counts.synops, counts.params
        return (logits, measured.confusion, measured.clip_rate), sums

    all_logits = []
    for operator in (1, 2, 3):
        before = jnp.array([SKIP, operator, 0, 0, 0])
        behind = jnp.array([operator, SKIP, 0, 0, 0])
        np.testing.assert_array_equal(SMALL.canonical(np.asarray(before)), behind)
        same, counted = run(own, before)
        again, counted_again = run(exchanged, behind)
        jax.tree.map(np.testing.assert_array_equal, same, again)
        jax.tree.map(np.testing.assert_allclose, counted, counted_again)
        # With its other weights it is another network.
        assert not np.array_equal(run(own, behind)[0][0], same[0])
        all_logits.append(np.asarray(same[0]))
    assert not np.array_equal(all_logits[0], all_logits[1])
