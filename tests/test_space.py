"""Distinct networks: one canonical genotype each, counted, drawn and evaluated once."""

import itertools
import math
from functools import cache
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from hardware.counts import count
from search import algorithms, evolution
from search.config import XyloConfig
from search.fitness import Scores
from search.progress import Reporter
from search.run_directory import RunDirectory
from search.space import Gene, Space, conv_space, deep_space, make_space
from search.xylo_evaluation import Evaluator
from search.xylo_space import xylo_space
from ttfs_jax.architecture import OPERATORS, NetworkSpec
from ttfs_jax.errors import InputError
from ttfs_jax.evaluation import evaluate
from ttfs_jax.network import Network, initialise

SKIP = OPERATORS.index("skip")


def small_space(blocks=(2,), widths=(2,), heads=(3,)):
    spec = NetworkSpec((6, 6, 1), 3, (2,) * len(blocks), blocks, head_width=max(heads))
    genes = [Gene(f"block_{n}", OPERATORS) for n in range(sum(blocks))]
    genes += [Gene(f"width_{n}", widths) for n in range(len(blocks))]
    return Space("small", spec, (*genes, Gene("head", heads), Gene("time_bits", (4,))))


SMALL = small_space()
STAGES = small_space((1, 3, 2), (1, 2), (3,))
CHIP = xylo_space((8, 8, 1), 10, polarities=1)


def everything(space):
    return np.array(list(itertools.product(*map(range, space.cardinalities))), np.int32)


def network_of_blocks(space, genotype):
    """Name what is left of a genotype without skips: the blocks of every stage, the other genes."""
    left, stages = list(genotype), []
    for blocks in space.spec.stage_blocks:
        stages.append(tuple(gene for gene in left[:blocks] if gene != SKIP))
        left = left[blocks:]
    return (*stages, tuple(left))


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
    search: Any = SimpleNamespace(space=CHIP, config=config, seed=lambda purpose: 7)
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
        Evaluator(search, populations, 0).score(chosen)
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
    drawn = jax.jit(initialise, static_argnums=0)(network, jax.random.key(0))
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


@cache
def make(name):
    # Every instance is compiled anew.
    return algorithms.make(name, SMALL, population=4)


@pytest.mark.parametrize("name", ["genetic", "random", "CMA_ES"])
def test_genotypes_of_a_proposal_are_canonical(name):
    algorithm = make(name)
    canonical_before = []
    with jax.numpy_rank_promotion("allow"):
        state = algorithm.init(jax.random.key(0))
        for generation in range(6):
            key = jax.random.fold_in(jax.random.key(1), generation)
            proposals, genotypes, state = algorithm.ask(key, state)
            canonical = SMALL.canonical(np.asarray(genotypes))
            np.testing.assert_array_equal(genotypes, canonical)
            if name == "CMA_ES":  # its proposals stay the logits that it drew
                arg_max = algorithm._decode(proposals)
                canonical_before.append(np.array_equal(arg_max, canonical))
                np.testing.assert_array_equal(SMALL.canonical(np.asarray(arg_max)), canonical)
            else:
                np.testing.assert_array_equal(proposals, canonical)
            state = algorithm.tell(key, state, proposals, genotypes, genotypes.sum(1) * 1.0)
    assert not (canonical_before and all(canonical_before))


@pytest.mark.parametrize("name", ["genetic", "random"])
def test_a_nearly_exhausted_space_gives_its_last_networks(name):
    algorithm = make(name)
    distinct = np.unique(SMALL.canonical(everything(SMALL)), axis=0)
    for left in ([0, 5], [12]):
        seen = set(map(tuple, np.delete(distinct, left, 0).tolist()))
        asked = np.repeat(distinct[:1] if 0 not in left else distinct[1:2], len(left), 0)
        found = algorithm.fresh(jax.random.key(3), asked, seen)
        assert set(map(tuple, found.tolist())) == set(map(tuple, distinct[left].tolist()))
        with pytest.raises(InputError, match="13 architectures only"):
            algorithm.fresh(jax.random.key(3), np.repeat(asked, 2, 0), seen)


def test_fresh_knows_a_network_by_each_of_its_genotypes():
    algorithm = make("genetic")
    twins = np.array([[0, 1, 0, 0, 0], [1, 0, 0, 0, 0]], np.int32)
    found = algorithm.fresh(jax.random.key(0), twins, set())
    np.testing.assert_array_equal(found[0], twins[1])
    assert found[1].tolist() != twins[1].tolist()
    np.testing.assert_array_equal(SMALL.canonical(found), found)
    for twin in twins:
        again = algorithm.fresh(jax.random.key(0), twins[:1], {tuple(twin.tolist())})
        assert again[0].tolist() != twins[1].tolist()


def test_random_search_stays_uniform_when_it_replaces():
    """Of 13 networks one is seen: each of the others comes as often as every other."""
    algorithm = make("random")
    seen = (0,) * len(SMALL.genes)
    asked = np.array([seen], np.int32)
    found = [
        tuple(algorithm.fresh(jax.random.key(n), asked, {seen})[0].tolist()) for n in range(2400)
    ]
    _, counts = np.unique(found, axis=0, return_counts=True)
    assert len(counts) == 12
    np.testing.assert_allclose(counts, 200, atol=5 * math.sqrt(200))


@pytest.mark.parametrize("name", ["genetic", "random", "CMA_ES"])
def test_an_archive_holds_every_network_once(name, tmp_path):
    evaluated = []

    def score(genotypes):
        evaluated.extend(map(tuple, genotypes.tolist()))
        values = genotypes.sum(1).astype(float)
        return Scores(*[values] * len(Scores.__dataclass_fields__))

    folder = tmp_path / "run"
    folder.mkdir()
    with (
        jax.numpy_rank_promotion("allow"),
        Reporter(Console(quiet=True)) as reporter,
        reporter.bar("x", 1, unit="x") as bar,
    ):
        archive = evolution.run(
            name,
            make(name),
            SMALL,
            score,
            generations=3,
            seed=0,
            directory=RunDirectory(folder),
            bar=bar,
            on_generation=lambda archive: None,
        )
    rows = archive.genotypes
    np.testing.assert_array_equal(SMALL.canonical(rows), rows)
    assert len(set(map(tuple, rows.tolist()))) == len(rows)
    assert evaluated == list(map(tuple, rows.tolist()))
    if name != "CMA_ES":
        assert len(rows) == 12
    blocks = [network_of_blocks(SMALL, genotype) for genotype in archive.best(6).tolist()]
    assert len(set(blocks)) == 6
