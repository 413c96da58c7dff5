"""Options of data sets: each belongs to its set, on the command, in Python and in config.json."""

import dataclasses
import json

import pytest

from search import evolve, preset
from search.budget import TYPICAL, Size, budget_of
from search.config import Config
from search.loop.run_directory import to_dict
from search.preset_tables import SIZED_SCHEDULES
from search.saved_config import from_dict
from ttfs_jax import datasets
from ttfs_jax.datasets import DATASETS
from ttfs_jax.datasets.arguments import option_names
from ttfs_jax.datasets.eye.dataset import ClipConfig
from ttfs_jax.support.errors import InputError


@pytest.mark.parametrize("data", DATASETS)
def test_the_command_shows_the_options_of_the_data_set_and_no_others(data, capsys):
    with pytest.raises(SystemExit):
        evolve.parse([f"--data={data}", "--preset=smoke", "--help"])
    shown = {word.rstrip(",") for word in capsys.readouterr().out.split() if word[:2] == "--"}
    own = option_names(DATASETS[data].options)
    assert own <= shown
    others = {name for entry in DATASETS.values() for name in option_names(entry.options)}
    assert not (others - own) & shown


def test_an_option_of_another_data_set_says_where_it_belongs():
    with pytest.raises(InputError, match="no effect with --data see: .* of --data eye$"):
        evolve.parse(["--data=see", "--eye.subjects=9"])
    with pytest.raises(InputError, match="--eye.test-draws has no effect with --data digits"):
        evolve.parse(["--data=digits", "--eye.test_draws", "9"])
    with pytest.raises(InputError, match="size is not an option of the data set digits"):
        datasets.load_dataset("digits", size=3)
    with pytest.raises(InputError, match=r"from search.preset\('digits'"):
        dataclasses.replace(Config(), data="digits")
    assert Config(data="see").data_options == datasets.make_options("see")


@pytest.mark.parametrize("data", ["eye", "see", "digits", "fashion-mnist"])
def test_configs_come_back_from_json_also_those_with_the_options_of_all(data, tmp_path):
    config = preset(data, "smoke")
    if "data_dir" in vars(config.data_options):
        options = dataclasses.replace(config.data_options, data_dir=tmp_path)
        config = dataclasses.replace(config, data_options=options)
    saved = json.loads(json.dumps(to_dict(config)))
    assert from_dict(saved) == config
    own = saved.pop("data_options")
    eye = dataclasses.asdict(datasets.EyeConfig()) | own.get("eye", {})
    assert from_dict(saved | {"data_dir": own.get("data_dir"), "eye": eye}) == config


@pytest.mark.parametrize(
    ("data", "given"),
    [
        ("npz", {"flip": True}),
        ("idx", {"classes": ("a", "b")}),
        ("folder", {"colour": "colour"}),
        ("events", {"crop": (1, 2, 3), "sensor": (9, 8), "clips": ClipConfig(size=8)}),
        ("tonic", {"set_name": "NMNIST"}),
    ],
)
def test_options_of_own_data_come_back_from_json(data, given, tmp_path):
    config = preset(data, "smoke", size=TYPICAL, data_dir=tmp_path, **given)
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config
    assert vars(config.data_options).items() >= given.items()


@pytest.mark.parametrize("name", SIZED_SCHEDULES)
@pytest.mark.parametrize("images", [9, 60, 1077, 55_000, 1_000_000])
def test_budgets_follow_from_the_size(name, images):
    schedule, traits, _ = budget_of(Size(images, (28, 28, 1)), name)
    assert 4 <= traits.batch <= traits.supernet_batch <= images
    assert traits.supernet_batch % 4 == 0
    bounds = SIZED_SCHEDULES[name]
    assert bounds.fewest_passes <= schedule.retrain_epochs <= bounds.most_passes
    assert schedule.fine_tune_epochs >= 1 and schedule.space == "conv"
    assert budget_of(Size(images, (32, 32, 3)), "smoke").schedule.space == "conv-small"
