"""The ranking study: what its table says, by hand, and the scores of a large generation."""

import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from rich.console import Console

from benchmarks import ranking, ranking_study
from benchmarks.ranking_study import Study, StudyConfig, halves, run_config, sample, shortened
from search.spaces.registry import make_space
from search.strategies.inherited.scores import make_evaluator
from ttfs_jax.datasets import Split, digits
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.population.program import pick
from ttfs_jax.support.errors import InputError

TRUTH = np.array([0.1, 0.2, 0.3, 0.4])


def columns():
    unseen = np.array([0.12, 0.18, 0.33, np.nan])
    return {
        "full_0": TRUTH,
        "full_1": unseen,
        "full_2": unseen + 0.01,
        **{name: TRUTH.copy() for name in ranking.PREDICTORS},
        "full_0_elsewhere": TRUTH,
        "width": np.array(["4", "8", "16", "32"]),
        "head": np.array(["8", "8", "16", "16"]),
        "truth_images": np.full(4, "validation, first half"),
        "predictor_images": np.full(4, "validation, second half"),
        "params": -TRUTH,
        "synops": np.array([1.0, 2.0, 4.0, 3.0]),
    }


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Intervals take long, and no test looks at their figures."""
    monkeypatch.setattr(ranking, "RESAMPLES", 20)
    monkeypatch.setattr(ranking, "SPLITS", 20)


def test_rank_correlations_by_hand():
    result = ranking.analyse(columns())
    taus = {name: row["tau"] for name, row in result["predictors"].items()}
    assert taus["inherited_ttfs"] == 1 and taus["params"] == -1
    assert taus["synops"] == pytest.approx(4 / 6)  # five pairs in order, one not
    assert result["noise_ceiling"]["tau"] == 1
    assert result["full_training"]["lowest"] == pytest.approx((0.1 + 0.12 + 0.13) / 3)
    row = result["predictors"]["synops"]
    assert row["tau_low"] <= row["tau"] <= row["tau_high"]


def test_the_ceiling_looks_at_the_images_of_the_predictors():
    table = columns()
    table["full_1"] = np.array([0.1, 0.2, 0.3, np.nan])
    table["full_2"] = table["full_1"]
    assert ranking.analyse(table)["noise_ceiling"]["tau"] == 1
    table["full_0_elsewhere"] = np.array([0.1, 0.3, 0.2, 0.9])  # one pair of three not in order
    assert ranking.analyse(table)["noise_ceiling"]["tau"] == pytest.approx(1 / 3)


def test_a_table_on_shared_images_says_so(tmp_path, capsys):
    new, old = columns(), columns()
    for name in ("full_0_elsewhere", "truth_images", "predictor_images"):
        old.pop(name)
    for name, table, shared in (("new", new, False), ("old", old, True)):
        path = tmp_path / f"{name}.parquet"
        ranking.write_tables(path, {"digits": table})
        ranking.main(["--table", str(path), "--json"])
        result = json.loads(capsys.readouterr().out)["digits"]
        assert result["shared_images"] is shared
        ranking.main(["--table", str(path)])
        text = " ".join(capsys.readouterr().out.split())
        assert ("Made on shared images" in text) is shared
        assert ("Truth on validation, first half" in text) is not shared
    # A part made anew stands beside an old one.
    ranking.write_tables(path, {**ranking.read_tables(path), "eye": new})
    shared = [
        ranking.analyse(table)["shared_images"] for table in ranking.read_tables(path).values()
    ]
    assert shared == [True, False]


def split_of(subjects=None, count=101):
    numbers = np.arange(count)
    columns = {} if subjects is None else {"subject": subjects, "sequence": numbers // 2}
    images = np.broadcast_to(numbers[:, None, None, None], (count, 1, 1, 1))
    return Split(images, numbers % 7, columns)


@pytest.mark.parametrize("seed", range(3))
def test_halves_share_no_image_and_no_person(seed):
    subjects = np.random.default_rng(seed).integers(0, 9, 101)
    one_person = np.zeros(101, int)
    for split, column in (
        (split_of(), None),
        (split_of(subjects), "subject"),
        (split_of(one_person), "sequence"),
    ):
        parts = halves(split, seed)
        assert list(parts) == ["truth", "predictors"]
        together = np.concatenate([part.images.ravel() for part in parts.values()])
        np.testing.assert_array_equal(np.sort(together), np.arange(101))
        sizes = [len(part.labels) for part in parts.values()]
        assert min(sizes) >= 0.35 * 101
        for part in parts.values():
            np.testing.assert_array_equal(part.labels, part.images.ravel() % 7)
        if column:
            one, other = (set(part.columns[column].tolist()) for part in parts.values())
            assert not one & other
        again = halves(split, seed)["truth"].images
        np.testing.assert_array_equal(again, parts["truth"].images)


def test_the_study_scores_truth_and_predictors_on_different_halves(tmp_path, monkeypatch):
    """Networks are stood in for by ones whose accuracy tells the images they were scored on."""
    seen = {"inherited": [], "short": [], "full": []}
    data = digits.load_digits(split_seed=0)
    options = StudyConfig(architectures=4, repeated=2)
    study = Study(run_config("eye", options), options, data, tmp_path / "run")

    def make_evaluator(*_, images, labels, **__):
        seen["inherited"].append(images)
        assert len(images) == len(labels)
        ones = np.ones(4)
        return lambda *_: SimpleNamespace(war=ones, params=ones, synops=ones)

    class Stub:
        def __init__(self, space, genotypes, data, seed, *, layout):
            self.members = len(genotypes)
            self.architectures = jax.vmap(space.decode)(np.asarray(genotypes))
            self.kind = ""

        def initial(self):
            return {}

        def train(self, name, variables, config, **_):
            self.kind = self.kind or name
            return variables, None

        def convert(self, variables, members):
            return variables

        def measure(self, variables, members, images, labels, *, code):
            seen[self.kind].append(images)
            return SimpleNamespace(war=np.full(self.members, images.sum()))

    monkeypatch.setattr(ranking_study, "make_evaluator", make_evaluator)
    monkeypatch.setattr(ranking_study, "Retraining", Stub)
    monkeypatch.setattr(ranking_study, "train_supernet", lambda *_: {})
    monkeypatch.setattr(Study, "_synops", lambda self, population, _: np.ones(population.members))
    table = study.run(Console(quiet=True))
    parts = halves(data.validation, options.seed)
    for images in seen["inherited"]:
        np.testing.assert_array_equal(images, parts["predictors"].images)
    np.testing.assert_allclose(table["short_training"], parts["predictors"].images.sum())
    np.testing.assert_allclose(table["full_0"], parts["truth"].images.sum())
    np.testing.assert_allclose(table["full_1"][:2], parts["truth"].images.sum())
    np.testing.assert_allclose(table["full_0_elsewhere"], parts["predictors"].images.sum())
    assert (table["truth_images"] != table["predictor_images"]).all()


def test_table_comes_back_and_bad_ones_are_named(tmp_path, capsys):
    path = tmp_path / "ranking.parquet"
    ranking.write_tables(path, {"one": columns(), "two": columns()})
    back = ranking.read_tables(path)
    assert list(back) == ["one", "two"]
    np.testing.assert_array_equal(back["two"]["full_1"], columns()["full_1"])
    ranking.main(["--table", str(path), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert printed["one"]["predictors"]["params"]["tau"] == -1
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged"):
        ranking.read_tables(path)
    for options, words in (
        (["--table", str(tmp_path / "none"), "--json"], "make it by --train"),
        (["--train", "eye", "--table", str(path)], "--train needs --out"),
    ):
        with pytest.raises(SystemExit, match="2"):
            ranking.main(options)
        assert words in capsys.readouterr().err


def test_the_table_kept_in_the_repository_is_whole():
    for table in ranking.read_tables(ranking.TABLE).values():
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


@pytest.mark.slow
def test_a_generation_of_256_is_scored_as_each_one_alone_by_the_same_program(compiled):
    data = shortened(digits.load_digits(split_seed=0), 64)
    space = make_space("conv-wide", data.image_shape, len(data.classes))
    score = make_evaluator(
        Network(space.spec),
        space,
        population=256,
        calibration=data.train.images,
        images=data.validation.images[:40],
        labels=data.validation.labels[:40],
    )
    variables = initialise(Network(space.spec), jax.random.key(0))
    genotypes = sample(space, 256, 1)
    chosen = np.array([200, 3])
    two, before = score(variables, genotypes[chosen]), len(compiled)
    every = score(variables, genotypes)
    assert len(compiled) == before
    assert every.war.shape == (256,)
    jax.tree.map(np.testing.assert_array_equal, two, pick(every, chosen))
    # Long loops side by side on several devices once gave other scores in every call.
    jax.tree.map(np.testing.assert_array_equal, score(variables, genotypes), every)
