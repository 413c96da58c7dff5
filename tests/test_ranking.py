"""The ranking study: what its table says, by hand, and the scores of a large generation."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from benchmarks import ranking
from benchmarks.ranking_study import StudyConfig, run_config, sample, shortened
from search.config import EvolutionConfig
from search.fitness import make_evaluator
from search.space import make_space
from ttfs_jax.datasets import digits
from ttfs_jax.errors import InputError
from ttfs_jax.network import Network, initialise
from ttfs_jax.population import pick

TRUTH = np.array([0.1, 0.2, 0.3, 0.4])


def columns():
    unseen = np.array([0.12, 0.18, 0.33, np.nan])
    return {
        "full_0": TRUTH,
        "full_1": unseen,
        "full_2": unseen + 0.01,
        **{name: TRUTH.copy() for name in ranking.PREDICTORS},
        "params": -TRUTH,
        "synops": np.array([1.0, 2.0, 4.0, 3.0]),
    }


def test_rank_correlations_by_hand():
    result = ranking.analyse(columns())
    taus = {name: row["tau"] for name, row in result["predictors"].items()}
    assert taus["inherited_ttfs"] == 1 and taus["params"] == -1
    assert taus["synops"] == pytest.approx(4 / 6)  # five pairs in order, one not
    assert result["noise_ceiling"]["tau"] == 1
    assert result["full_training"]["lowest"] == pytest.approx((0.1 + 0.12 + 0.13) / 3)
    row = result["predictors"]["synops"]
    assert row["tau_low"] <= row["tau"] <= row["tau_high"]


def test_table_comes_back_and_bad_ones_are_named(tmp_path, capsys):
    path = tmp_path / "ranking.parquet"
    ranking.write(path, {"one": columns(), "two": columns()})
    back = ranking.read(path)
    assert list(back) == ["one", "two"]
    np.testing.assert_array_equal(back["two"]["full_1"], columns()["full_1"])
    ranking.main(["--table", str(path), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert printed["one"]["predictors"]["params"]["tau"] == -1
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged"):
        ranking.read(path)
    for options, words in (
        (["--table", str(tmp_path / "none"), "--json"], "make it by --train"),
        (["--train", "eye", "--table", str(path)], "--train needs --out"),
    ):
        with pytest.raises(SystemExit, match="2"):
            ranking.main(options)
        assert words in capsys.readouterr().err


def test_the_table_kept_in_the_repository_is_whole():
    for table in ranking.read(ranking.TABLE).values():
        assert len(table["full_0"]) >= 200
        assert (~np.isnan(table["full_2"])).sum() >= 40
        genes = ["block_0", "block_1", "block_2", "block_3", "width_0", "width_1", "head"]
        rows = list(zip(*(table[gene] for gene in [*genes, "time_bits"]), strict=True))
        assert len(set(rows)) == len(rows)


def test_sampled_genotypes_are_distinct_and_uniform():
    config = run_config("eye", StudyConfig())
    space = make_space(config.space, (24, 24, 4), 7)
    drawn = sample(space, 2000, 0)
    assert len({tuple(row) for row in drawn.tolist()}) == 2000
    shares = np.bincount(drawn[:, 0], minlength=4) / 2000
    # A stage of two blocks has 13 networks, and in one of them the first block is a skip.
    np.testing.assert_allclose(shares, np.array([1, 4, 4, 4]) / 13, atol=0.04)


def test_a_generation_of_256_is_scored_as_each_one_alone_by_the_same_program(compiled):
    data = shortened(digits.load(split_seed=0), 64)
    space = make_space("conv-wide", data.image_shape, len(data.classes))
    score = make_evaluator(
        Network(space.spec),
        space,
        dataclasses.replace(EvolutionConfig(), population=256),
        calibration=data.train.images,
        images=data.validation.images[:40],
        labels=data.validation.labels[:40],
    )
    variables = jax.jit(initialise, static_argnums=0)(Network(space.spec), jax.random.key(0))
    genotypes = sample(space, 256, 1)
    chosen = np.array([200, 3])
    two, before = score(variables, genotypes[chosen]), len(compiled)
    every = score(variables, genotypes)
    assert len(compiled) == before
    assert every.war.shape == (256,)
    jax.tree.map(np.testing.assert_array_equal, two, pick(every, chosen))
    # Long loops side by side on several devices once gave other scores in every call.
    jax.tree.map(np.testing.assert_array_equal, score(variables, genotypes), every)
