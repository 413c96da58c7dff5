"""A search from Python: with data and a space of one's own, for several objectives, in limits."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from small_spaces import small_space

import search
from search.config import EvolutionConfig, LimitsConfig, RetrainConfig, StageConfig, SupernetConfig
from search.loop.run_directory import RunDirectory
from search.retraining import converted
from ttfs_jax import Model
from ttfs_jax.datasets import Dataset, Split
from ttfs_jax.population.program import PopulationConfig
from ttfs_jax.support.errors import InputError

SILENT = Console(quiet=True)
OBJECTIVES = ("war", "energy", "time_steps")
TRAIN = StageConfig(epochs=2, learning_rate=1e-2)
CONFIG = dataclasses.replace(
    search.preset("digits", "smoke", objectives=OBJECTIVES),
    supernet=SupernetConfig(train=TRAIN, batch_size=32, paths=2),
    evolution=EvolutionConfig("nsga2", population=4, generations=2),
    retrain=RetrainConfig(
        top=2,
        train=TRAIN,
        fine_tune=TRAIN,
        batch_size=32,
        activity_penalty=0.0,
        population=PopulationConfig(lanes=1),
    ),
    limits=LimitsConfig(params=240.0, memory_kib=0.75),
)


def rows(number, seed):
    """Draw images in which one of three pairs of rows is bright: the class."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, number).astype(np.int32)
    images = 0.3 * generator.random((number, 6, 6, 1), np.float32)
    images[np.arange(6)[None] // 2 == labels[:, None]] += 0.6
    return Split(images, labels)


DATA = Dataset("bright rows", ("top", "middle", "bottom"), rows(192, 0), rows(96, 1), rows(96, 2))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Search in a space of one's own; the run stops before retraining, and goes on."""
    folder, space = tmp_path_factory.mktemp("own") / "run", small_space(heads=(2, 3))

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(converted, "retrain", stop)
        search.run(CONFIG, data=DATA, space=space, run_dir=folder, screen=SILENT)
    for other, words in (
        ({"data": DATA}, "began with space small, not of its config"),
        ({"space": space}, "began with data bright rows, not of its config"),
    ):
        with pytest.raises(InputError, match=words):
            search.run(CONFIG, **other, run_dir=folder, resume=True, screen=SILENT)
    return search.run(CONFIG, data=DATA, space=space, run_dir=folder, resume=True, screen=SILENT)


@pytest.mark.slow
def test_a_front_within_limits_is_retrained(own):
    metrics = own.metrics
    assert metrics["dataset"] == "bright rows" and metrics["space"]["name"] == "small"
    assert metrics["objectives"] == list(OBJECTIVES)
    assert metrics["hypervolume"].keys() == {"evolution", "random"}
    assert 1 <= len(metrics["best"]) <= 2
    history = {name: np.asarray(own.history[name]) for name in own.history if name != "genotype"}
    assert (
        history["violations"] == 1 * (history["params"] > 240) + 1 * (history["memory"] > 768)
    ).all()
    assert (history["violations"] > 0).any() and (history["violations"] == 0).any()
    assert set(history["time_steps"]) <= {16.0 * windows for windows in range(2, 8)}
    np.testing.assert_allclose(history["energy"], 0.9e-12 * history["synops"], rtol=1e-5)
    assert all(row["params"] <= 240 for row in metrics["best"])
    assert own.failures == []


@pytest.mark.slow
def test_a_result_is_looked_into(own):
    assert own.path.name == "run" and own.config == CONFIG
    assert len(own.best) == len(own.metrics["best"])
    model = own.best[0]
    assert isinstance(model, Model) and own.best[0] is model
    right = (model.predict(DATA.test.images) == DATA.test.labels).mean()
    assert right == pytest.approx(own.metrics["best"][0]["ttfs"]["war"])
    assert [one.plan for one in own.best[:1]] == [model.plan]
    for name in ("report.html", "pareto.csv", "figures/raster.png"):
        assert (own.path / name).stat().st_size > 0
    with pytest.raises(InputError, match="continue from Python"):
        search.run(CONFIG, run_dir=own.path, resume=True, screen=SILENT)


@pytest.mark.xdist_group("run")
def test_the_command_shows_what_a_run_from_python_shows(finished, tmp_path):
    """A finished run is not computed again: this is that of the command."""
    folder = Path(shutil.copytree(finished, tmp_path / "copy"))
    before = json.loads((finished / "metrics.json").read_text())
    config = search.Result(folder).config
    result = search.run(config, run_dir=folder, resume=True, screen=SILENT)
    assert result.metrics == before
    assert result.history["stage"].count("evolution") == 12
    assert result.best[0].meta["metrics"]["genotype"] == before["best"][0]["genotype"]
    for change, words in (({"seed": 5}, "^seed 5 differs"), ({"space": "konv"}, "mean conv")):
        with pytest.raises(InputError, match=words):
            changed = dataclasses.replace(config, **change)
            search.run(changed, run_dir=folder, resume=True, screen=SILENT)
    with pytest.raises(InputError, match="already holds a run"):
        search.run(config, run_dir=folder, screen=SILENT)


def test_unsound_data_are_named_before_anything_is_written(tmp_path):
    spoilt = dataclasses.replace(DATA, test=Split(np.full((3, 6, 6, 1), np.nan), np.zeros(3, int)))
    with pytest.raises(InputError, match="bright rows test images contain NaN"):
        search.run(CONFIG, data=spoilt, run_dir=tmp_path / "run", screen=SILENT)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"config": "digits"}, "config must be a Config, not a str"),
        ({"config": None}, "config must be a Config, not a NoneType"),
        ({"data": "digits"}, "data must be a Dataset, not a str"),
        ({"space": "conv"}, "space must be a Genes, not a str"),
    ],
)
def test_things_of_another_kind_are_named(given, words, tmp_path):
    with pytest.raises(InputError, match=words):
        search.run(**{"config": CONFIG} | given, run_dir=tmp_path / "run", screen=SILENT)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["{", "[]"])
def test_damaged_names_of_what_was_given_are_told(text, tmp_path):
    RunDirectory.create(tmp_path, CONFIG)
    (tmp_path / "given.json").write_text(text)
    with pytest.raises(InputError, match="given.json is damaged"):
        search.run(CONFIG, run_dir=tmp_path, resume=True, screen=SILENT)


def test_a_folder_without_candidates_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no history.parquet"):
        _ = search.Result(tmp_path).history
    (tmp_path / "history.parquet").write_text("no table")
    with pytest.raises(InputError, match="holds no history.parquet"):
        _ = search.Result(tmp_path).history
