"""Configs saved by runs of this and of earlier versions are read, or say what is gone.

`saved/configs.json` has presets as they were saved when every training had all options of its own,
and lists were texts with commas.
"""

import dataclasses
import json
from pathlib import Path

import pytest

import search
from search.config import Config, EvolutionConfig, RetrainConfig, SharedConfig, StageConfig
from search.loop.run_directory import to_dict
from search.retraining import converted, population
from search.saved_config import CHIP_STAGES, FIXED, MOVED, STAGES, from_dict, read_config
from search.strategies.inherited import scores
from ttfs_jax.datasets import EyeConfig
from ttfs_jax.support.errors import InputError

BEFORE = json.loads((Path(__file__).parent / "saved" / "configs.json").read_text())


def saved(config):
    return json.loads(json.dumps(to_dict(config)))


@pytest.mark.parametrize("name", BEFORE)
def test_presets_of_before_are_those_of_today(name):
    values = BEFORE[name]
    objectives = tuple(values["objectives"].split(","))
    space = "xylo" if values["space"] == "xylo" else None
    today = search.preset(values["data"], values["preset"], space=space, objectives=objectives)
    assert from_dict(values) == today
    assert from_dict(saved(today)) == today


def leaf(values, name):
    *groups, last = name.split(".")
    for group in groups:
        values = values[group]
    return values, last


def test_options_that_are_gone_are_read_at_the_value_they_have_now(tmp_path):
    values = BEFORE["digits smoke"]
    kept = {name: value for name, value in FIXED.items() if name.split(".")[0] != "xylo"}
    for name, value in kept.items():
        group, last = leaf(values, name)
        assert group.setdefault(last, value) == value  # the earliest versions had more
    assert from_dict(values) == search.preset("digits", "smoke")
    for name, value in FIXED.items():
        other = json.loads(json.dumps(BEFORE["digits smoke"]))
        group, last = leaf(other, name)
        group[last] = "linear" if isinstance(value, str) else value + 1
        (tmp_path / "config.json").write_text(json.dumps(other))
        with pytest.raises(InputError, match=f"{name} .* is an option that this version lacks"):
            read_config(tmp_path)


def test_the_values_are_those_that_a_run_has():
    recipe = converted.both_recipes(Config()).fine_tune
    for stage in STAGES:
        for name in ("warmup", "weight_decay", "label_smoothing", "quantised", "grow_windows"):
            assert FIXED[f"{stage}.{name}"] == getattr(recipe, name)
    chip = Config().xylo
    for stage, recipe in zip(
        CHIP_STAGES,
        (chip.native(chip.train),) * 2 + (chip.dense(chip.relu),) * 2,
        strict=True,
    ):
        names = [name.rpartition(".")[2] for name in FIXED if name.startswith(f"{stage}.")]
        assert names and all(FIXED[f"{stage}.{n}"] == getattr(recipe, n) for n in names)
    for name, value in {
        "evolution.calibration_images": scores.CALIBRATION_IMAGES,
        "evolution.validation_images": scores.VALIDATION_IMAGES,
        "evolution.window_margin": scores.WINDOW_MARGIN,
        "retrain.identity_margin": converted.IDENTITY_MARGIN,
        "retrain.window_margin": population.WINDOW_MARGIN,
        "retrain.calibration_images": population.CALIBRATION_IMAGES,
    }.items():
        assert FIXED[name] == value


@pytest.mark.parametrize(
    "name", ["retrain.fine_tune.balanced", "retrain.train.batch_size", "xylo.relu.batch_size"]
)
def test_trainings_that_differed_where_one_option_is_left_are_named(name):
    values = json.loads(json.dumps(BEFORE["digits smoke"]))
    group, last = leaf(values, name)
    group[last] = group[last] + 1
    with pytest.raises(ValueError, match="differs from .* of another training"):
        from_dict(values)
    assert name in MOVED


@pytest.mark.parametrize(
    ("algorithm", "objectives"), [("nsga2", ("war", "energy")), ("genetic", ("fitness",))]
)
def test_a_config_saved_before_every_space_had_limits(algorithm, objectives):
    values = json.loads(json.dumps(BEFORE["eye default xylo"] | {"objectives": "war,energy"}))
    del values["limits"]
    values["xylo"] |= {"max_energy_uj": 3.0, "max_latency_ms": None}
    values["evolution"]["algorithm"] = algorithm
    del values["data_options"]
    values |= {"data_dir": None, "eye": dataclasses.asdict(EyeConfig(size=24))}
    config = from_dict(values)
    assert config.data_options.eye == EyeConfig(size=24)
    assert (config.limits.energy_uj, config.limits.latency_ms) == (3.0, None)
    assert config.objectives == objectives


def test_a_changed_config_survives():
    config = Config(
        objectives=("war", "energy"),
        train=SharedConfig(balanced=True),
        evolution=EvolutionConfig("nsga2"),
        retrain=RetrainConfig(train=StageConfig(3, 0.01), halving=2),
    )
    assert from_dict(saved(config)) == config
