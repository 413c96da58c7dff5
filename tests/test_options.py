"""What a run shows: few options, all of which it reads; others say where they belong."""

import configparser
import dataclasses
import itertools
import re
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from command import ROOT
from own_data import write_npz
from recorded import recorded
from rich.console import Console
from see_tree import make_tree
from small_spaces import tiny_space
from test_own_events import CLIPS, write_folders
from test_own_folder import write_folder
from test_own_idx import write_idx
from test_own_tonic import NMNIST, write_nmnist

import search
from search import evolve
from search.budget import TYPICAL
from search.config import PRESETS, Config, SharedConfig, StageConfig
from search.options import hidden_options, option_fields
from search.spaces.registry import SPACES, SpaceEntry
from search.strategies.registry import STRATEGIES
from ttfs_jax import datasets
from ttfs_jax.datasets import DATASETS, fashion_mnist
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import option

MOST = 50
COMMAND = {"run_dir", "resume", "distributed"}
PEERS = set(evolve.PEERS)
SILENT = Console(quiet=True)


def shown(config):
    return set(option_fields(config)) - hidden_options(config)


def goals(space):
    """List one objective each that a space offers, and several."""
    offered = STRATEGIES[SPACES[space].strategy].objectives
    return [*((name,) for name in offered), ("war", "energy"), offered]


@pytest.mark.parametrize("data", DATASETS)
def test_no_combination_shows_more_than_fifty_options(data):
    for space, preset in itertools.product(SPACES, PRESETS):
        for objectives in goals(space):
            config = search.preset(data, preset, space=space, objectives=objectives, size=TYPICAL)
            for more in (COMMAND, COMMAND | PEERS):
                assert len({"help"} | shown(config) | more) <= MOST, (data, space, objectives)


def help_of(capsys, *arguments):
    with pytest.raises(SystemExit, match="0"):
        evolve.parse([*arguments, "--help"])
    lines = (line.strip("│ ") for line in capsys.readouterr().out.splitlines())
    return {line.split()[0].rstrip(",") for line in lines if re.match("-h,|--[a-z]", line)}


@pytest.mark.parametrize("space", ["conv", "xylo"])
@pytest.mark.parametrize("data", DATASETS)
def test_help_shows_what_the_count_is_of(data, space, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for objectives, more in ((("war",), ()), (("war", "energy"), ("--distributed",))):
        arguments = (f"--data={data}", f"--space={space}", "--objectives", *objectives, *more)
        config = search.preset(data, "default", space=space, objectives=objectives, size=TYPICAL)
        wanted = shown(config) | COMMAND | (PEERS if more else set())
        names = {option(name) for name in wanted}
        seen = {word.replace("--xylo.no-", "--xylo.") for word in help_of(capsys, *arguments)}
        assert seen == names | {"-h"}


def test_every_field_of_a_config_is_an_option_of_some_run():
    configs = [search.preset("digits", "smoke", space=space) for space in SPACES]
    assert set.union(*map(shown, configs)) == set(option_fields(configs[0]))


CONV = (
    "--preset=smoke --supernet.train.epochs=1 --evolution.population=4 --evolution.generations=1"
    " --retrain.top=1 --retrain.train.epochs=1 --retrain.fine-tune.epochs=1"
).split()
CHIP = (
    "--preset=smoke --space=xylo --evolution.population=4 --evolution.generations=1 --xylo.front=1"
    " --xylo.train.epochs=1 --xylo.retrain.epochs=1 --xylo.relu.epochs=1"
    " --xylo.relu-retrain.epochs=1 --xylo.no-referee"
).split()
RUNS = {
    "fitness": [*CONV, "--space=tiny"],
    "front": [*CONV, *"--space=tiny --objectives war energy --limits params=1e6".split()],
    "chip": CHIP,
}


def reads_of(arguments, monkeypatch):
    """Run a command, and return its config and the names of all that was read of it."""
    reads, recipes, parse = set(), set(), evolve.parse
    put_together = SharedConfig.recipe

    def noted(*given, **named):
        command = parse(*given, **named)
        return dataclasses.replace(command, config=recorded(command.config, reads))

    def recipe(self, *given, **named):
        return recorded(put_together(self, *given, **named), recipes)

    monkeypatch.setitem(SPACES, "tiny", SpaceEntry(tiny_space))
    monkeypatch.setattr(SharedConfig, "recipe", recipe)
    monkeypatch.setattr(evolve, "parse", noted)
    evolve.execute(arguments, SILENT)
    monkeypatch.setattr(evolve, "parse", parse)
    return parse(arguments).config, reads, recipes


@pytest.mark.slow
@pytest.mark.parametrize("kind", RUNS)
def test_a_run_reads_every_option_that_it_shows_and_no_other(kind, tmp_path, monkeypatch):
    data = write_npz(tmp_path / "mine.npz")
    arguments = [*RUNS[kind], "--data=npz", f"--data-dir={data}", f"--run-dir={tmp_path / 'run'}"]
    config, reads, recipes = reads_of(arguments, monkeypatch)
    assert shown(config) - reads == set()
    leaves = set(option_fields(config))
    assert (reads & leaves) - shown(config) == set()
    if kind != "chip":  # what options become is read, too
        assert recipes >= {"epochs", "learning_rate", "batch_size", "activity_penalty"}
        assert recipes >= {field.name for field in dataclasses.fields(SharedConfig)}


def test_an_option_that_nothing_reads_is_noticed(monkeypatch):
    """The proof above can fail: an option is added, as one would be, and a run made."""
    larger = dataclasses.make_dataclass(
        "StageConfig", [("momentum", float, 0.9)], bases=(StageConfig,), frozen=True
    )
    config = search.preset("digits", "smoke")
    with_option = dataclasses.replace(
        config, supernet=dataclasses.replace(config.supernet, train=larger(1))
    )
    assert "supernet.train.momentum" in shown(with_option)
    reads = set()
    STRATEGIES["inherited"].recipes(recorded(with_option, reads))
    assert {"supernet.train.epochs", "supernet.batch_size", "train.balanced"} <= reads
    assert "supernet.train.momentum" not in reads


def made_data(data, folder):
    """Write a small data set, and return the values of its options."""
    digits = {"train": "train-{}-idx{}-ubyte", "test": "t10k-{}-idx{}-ubyte"}
    makers = {
        "npz": lambda: {"data_dir": write_npz(folder / "mine.npz")},
        "idx": lambda: {"data_dir": write_idx(folder / "mine")},
        "mnist": lambda: {"data_dir": write_idx(folder / "mine", classes=10)},
        "folder": lambda: {"data_dir": write_folder(folder / "mine"), "size": 8},
        "events": lambda: {"data_dir": write_folders(folder / "mine"), "clips": CLIPS},
        "tonic": lambda: {
            "data_dir": write_nmnist(folder),
            "set_name": "NMNIST",
            "clips": CLIPS,
        },
        "eye": lambda: {
            "eye": datasets.EyeConfig(size=8, pool=1, subjects=8, draws=1, test_draws=1)
        },
        "see": lambda: {
            "data_dir": make_tree(folder / "see", people=12),
            "eye": datasets.FoldConfig(size=16, pool=1, frames=1, stride=1, folds=3),
        },
        "fashion-mnist": lambda: {"data_dir": write_idx(folder / "mine", classes=10, **digits)},
        "digits": lambda: {},
    }
    return makers[data]()


@pytest.mark.parametrize("data", DATASETS)
def test_a_data_set_reads_every_option_of_its_own(data, tmp_path, monkeypatch):
    module = ModuleType("tonic")
    module.datasets = SimpleNamespace(NMNIST=NMNIST)
    monkeypatch.setitem(sys.modules, "tonic", module)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options, reads = datasets.make_options(data, **made_data(data, tmp_path)), set()
    monkeypatch.setattr(fashion_mnist, "VALIDATION_IMAGES", 10)
    DATASETS[data].load(recorded(options, reads), split_seed=0)
    assert set(option_fields(options)) - reads == set()


def test_options_of_several_processes_are_read(monkeypatch):
    started = {}
    monkeypatch.setattr(evolve.distributed, "start", lambda **given: started.update(given))
    monkeypatch.setattr(evolve, "run", lambda config, **given: started.update(given))
    options = "--data=digits --distributed --coordinator=a:1 --processes=2 --process=1 --run-dir=x"
    evolve.execute(options.split(), SILENT)
    assert (started["coordinator"], started["processes"], started["process"]) == ("a:1", 2, 1)


@pytest.mark.parametrize(
    ("arguments", "objectives"),
    [
        ("--objectives war uar energy", ("war", "uar", "energy")),
        ("--objectives war --seed 3", ("war",)),
        ("", ("fitness",)),
    ],
)
def test_lists_are_lists(arguments, objectives):
    config = evolve.parse(["--data=digits", *arguments.split()]).config
    assert config.objectives == objectives


def test_a_list_with_commas_says_how_it_is_written():
    for text, words in (
        ("--objectives war,uar", "--objectives war,uar: write names with spaces, --objectives war"),
        ("--objectives=war,uar,", "write names with spaces, --objectives war uar$"),
        ("--space xylo --xylo.mappings native,exact", "without commas"),
    ):
        with pytest.raises(InputError, match=words):
            evolve.parse(["--data=digits", *text.split()])
    with pytest.raises(InputError, match="objectives must be one or more names, .* not 'war,uar'"):
        search.preset("digits", "smoke", objectives="war,uar")
    config = evolve.parse("--data=digits --space=xylo --xylo.mappings exact native".split()).config
    assert config.xylo.mappings == ("exact", "native")


def test_named_values_change_some_and_keep_the_rest_of_the_preset():
    options = "--limits energy-uj=3 memory_kib=2e2 --retrain.population chunk=3"
    config = evolve.parse(["--data=digits", "--preset=full", *options.split()]).config
    assert (config.limits.energy_uj, config.limits.memory_kib) == (3.0, 200.0)
    assert config.limits.params is None
    assert (config.retrain.population.chunk, config.retrain.population.waste) == (3, 0.05)
    assert isinstance(config.retrain.population.chunk, int)
    for text, words in (
        ("--limits energy=3", "'energy=3' is not NAME=VALUE; names are energy-uj, latency-ms"),
        ("--limits 3", "'3' is not NAME=VALUE"),
        ("--retrain.population lanes=x", "invalid literal for int"),
        ("--retrain.population lanes=1.5", "invalid literal for int"),
    ):
        with pytest.raises(InputError, match=words):
            evolve.parse(["--data=digits", *text.split()])


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize("space", ["conv", "xylo"])
def test_a_shell_completes_the_options_of_a_run(shell, space, capsys):
    with pytest.raises(SystemExit):
        evolve.parse(["--tyro-print-completion", shell, "--data=digits", f"--space={space}"])
    script = capsys.readouterr().out
    assert "ttfs-evolve" in script and "python -m" not in script
    config = search.preset("digits", "smoke", space=space)
    names = {option(name) for name in shown(config) - {"xylo.referee"}}
    assert all(name in script for name in names)
    assert ("xylo.gap" in script) == (space == "xylo")


def test_commands_are_installed_under_a_name_that_a_shell_can_complete():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].split("\n")
    scripts = dict(line.split(" = ") for line in lines if line)
    assert scripts.keys() == {"ttfs-evolve", "ttfs-predict", "ttfs-inspect"}
    for name, place in scripts.items():
        module, function = place.split(":")
        done = subprocess.run(
            [sys.executable, "-c", f"import {module} as m; m.{function}()"]
            + ["--tyro-print-completion", "bash", "--data=digits"][: 2 + ("predict" not in name)],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert not done.returncode and "complete -F" in done.stdout, done.stderr
        assert f" {name}\n" in done.stdout.replace("'", "")


def test_configs_are_still_changed_in_python():
    config = search.preset("digits", "smoke")
    changed = dataclasses.replace(
        config, retrain=dataclasses.replace(config.retrain, train=StageConfig(epochs=3))
    )
    assert changed.retrain.train.epochs == 3 and isinstance(changed, Config)
    assert np.isclose(changed.retrain.fine_tune.learning_rate, 3e-4)
