"""The search: algorithms, counts, and the command with its errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from search import evolve
from search.loop import algorithms
from search.loop.archive import Archive
from search.preset_tables import SCHEDULES
from search.presets import preset
from search.spaces.convolutional import conv_space, deep_space
from search.spaces.registry import make_space
from search.strategies.inherited.scores import Scores
from ttfs_jax.network.counts import fan_out, multiply_adds
from ttfs_jax.support.errors import InputError

SPACE = conv_space((8, 8, 1), 10)


def test_decoding_by_hand():
    genotype = jnp.array([3, 0, 1, 2, 0, 2, 1, 2])
    chosen = SPACE.decode(genotype)
    assert chosen.widths.tolist() == [8, 32]
    assert (int(chosen.head), int(chosen.time_bits)) == (48, 6)
    assert SPACE.describe(np.asarray(genotype))["block_0"] == "residual"


def test_deep_space_by_hand():
    space = deep_space((28, 28, 1), 10)
    assert space.spec.stage_sizes == ((28, 28), (14, 14), (7, 7))
    # One 3 × 3 block per stage: 28² (9 · 4 + 9 · 4²) + 14² (9 · 4 · 12 + 9 · 12²)
    # + 7² (9 · 12 · 24 + 9 · 24²) + 4² · 24 · 32 + 32 · 10
    chosen = space.decode(jnp.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0]))
    work = multiply_adds(
        space.spec, np.eye(4)[[1, 1, 0, 1, 0]], chosen.widths.tolist(), int(chosen.head)
    )
    assert work == 141_120 + 338_688 + 381_024 + 12_288 + 320


@pytest.mark.parametrize(("data", "name"), SCHEDULES)
def test_every_preset_names_a_space(data, name):
    config = preset(data, name)
    assert make_space(config.space, (24, 24, 1), 7).name == config.space


@pytest.mark.parametrize("name", ["genetic", "CMA_ES", "DifferentialEvolution"])
def test_algorithms_maximise_and_stay_in_range(name):
    # evosax itself relies on rank promotion.
    with jax.numpy_rank_promotion("allow"):
        means = mean_genes(algorithms.make(name, SPACE, population=24))
    assert means[-1] > means[0] + 1


def mean_genes(algorithm):
    state = algorithm.init(jax.random.key(0))
    means = []
    for generation in range(15):
        key = jax.random.fold_in(jax.random.key(1), generation)
        proposals, genotypes, state = algorithm.ask(key, state)
        assert (genotypes >= 0).all()
        assert (genotypes < jnp.array(SPACE.cardinalities)[None]).all()
        fitness = genotypes.sum(1).astype(jnp.float32).at[0].set(jnp.nan)
        means.append(float(genotypes.sum(1).mean()))
        state = algorithm.tell(key, state, proposals, genotypes, fitness)
    return means


def test_fresh_genotypes_are_new_and_distinct():
    algorithm = algorithms.make("random", SPACE, population=8)
    same = np.zeros((8, 8), np.int32)
    fresh = algorithm.fresh(jax.random.key(0), same, {tuple([0] * 8)})
    assert len({tuple(g) for g in fresh.tolist()} | {tuple([0] * 8)}) == 9


def test_fan_out_at_borders():
    np.testing.assert_array_equal(fan_out(3, 3, size=3), [[4, 6, 4], [6, 9, 6], [4, 6, 4]])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--preset", "smok"], "did you mean smoke"),
        (["--resume", "nowhere"], "holds no run"),
        (["--data", "fashion-mnist", "--data-dir", "nowhere"], "--data-dir"),
    ],
)
def test_bad_options_end_in_one_line_and_status_2(arguments, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        evolve.main(arguments)
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1


def test_run_directory_is_never_overwritten(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SystemExit) as stopped:
        evolve.main(["--run-dir", str(tmp_path), "--data", "digits", "--preset", "smoke"])
    assert stopped.value.code == 2
    assert "already holds a run" in capsys.readouterr().err
    assert (tmp_path / "config.json").read_text() == "{}"


def test_unknown_algorithm_is_named():
    with pytest.raises(InputError, match="did you mean genetic"):
        algorithms.make("genetik", SPACE, population=8)


def test_archive_comes_back_with_its_columns_in_order():
    fields = tuple(Scores.__dataclass_fields__)
    archive = Archive(len(SPACE.genes), fields)
    values = [np.arange(2.0) + n for n in range(len(fields))]
    scores = dict(zip(fields, values, strict=True))
    archive.add(np.array([[0] * 8, [1] * 8], np.int32), 3, scores)
    sorted_tree = jax.tree.map(np.asarray, archive.to_tree())
    back = Archive.from_tree(sorted_tree, fields).columns(SPACE, stage="evolution")
    before = archive.columns(SPACE, stage="evolution")
    assert list(back) == list(before)
    jax.tree.map(np.testing.assert_array_equal, back, before)
