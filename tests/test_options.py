"""What a run shows: few options, all of which it reads; others say where they belong."""

import configparser
import dataclasses
import itertools
import re
import subprocess
import sys

import numpy as np
import pytest
from places import ROOT
from rich.console import Console

import search
from search import evolve
from search.budget import TYPICAL
from search.config import (
    PRESETS,
    Config,
    RetrainConfig,
    StageConfig,
    SupernetConfig,
)
from search.options import option_fields, options_named, shown_options
from search.spaces.registry import SPACES
from search.strategies.registry import STRATEGIES
from ttfs_jax.datasets import DATASETS
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import option

MOST = 50
COMMAND = {"run_dir", "resume", "distributed"}
PEERS = set(evolve.PEERS)
SILENT = Console(quiet=True)


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
                assert len({"help"} | shown_options(config) | more) <= MOST, (
                    data,
                    space,
                    objectives,
                )


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
        wanted = shown_options(config) | COMMAND | (PEERS if more else set())
        names = {option(name) for name in wanted}
        seen = {word.replace("--xylo.no-", "--xylo.") for word in help_of(capsys, *arguments)}
        assert seen == names | {"-h"}


def test_every_field_of_a_config_is_an_option_of_some_run():
    configs = [search.preset("digits", "smoke", space=space) for space in SPACES]
    assert set.union(*map(shown_options, configs)) == set(option_fields(configs[0]))


def test_options_of_several_processes_are_read(monkeypatch):
    started = {}
    monkeypatch.setattr(evolve.distributed, "join_processes", lambda **given: started.update(given))
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
    names = {option(name) for name in shown_options(config) - {"xylo.referee"}}
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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"objectives": ("speed",)}, "^unknown objectives 'speed'"),
        ({"supernet": SupernetConfig(batch_size=66)}, "^supernet.batch_size 66 must be a multiple"),
        ({"retrain": RetrainConfig(top=999)}, "at least retrain.top 999$"),
        ({"retrain": RetrainConfig(batch_size=5000)}, "^retrain.batch_size 5000 must be between"),
        ({"space": "conf"}, "^unknown space 'conf'"),
    ],
)
def test_errors_in_python_name_fields_and_those_of_the_command_options(change, words, tmp_path):
    config = dataclasses.replace(search.preset("digits", "smoke"), **change)
    with pytest.raises(InputError, match=words):
        search.run(config, run_dir=tmp_path / "run", screen=SILENT)
    with pytest.raises(InputError, match="--[a-z.-]+ "), options_named():
        search.run(config, run_dir=tmp_path / "run", screen=SILENT)


def test_configs_are_still_changed_in_python():
    config = search.preset("digits", "smoke")
    changed = dataclasses.replace(
        config, retrain=dataclasses.replace(config.retrain, train=StageConfig(epochs=3))
    )
    assert changed.retrain.train.epochs == 3 and isinstance(changed, Config)
    assert np.isclose(changed.retrain.fine_tune.learning_rate, 3e-4)
