"""Options out of their range: refused before anything runs, by name, in one line."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import evolve
from search.checks import check_options
from search.config import Config, EvolutionConfig, RetrainConfig, XyloConfig
from search.presets import preset
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import (
    OneOf,
    above,
    at_least,
    below,
    between,
    check_fields,
    optional,
    whole,
)
from ttfs_jax.training.recipe import TrainConfig

NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-5, 5)


@given(NUMBERS)
def test_bounds_hold_what_python_says(value):
    finite = math.isfinite(value)
    assert at_least(1).holds(value) == (finite and value >= 1)
    assert above(1).holds(value) == (finite and value > 1)
    assert between(-1, 1).holds(value) == (finite and -1 <= value <= 1)
    assert below(1).holds(value) == (finite and 0 <= value < 1)
    assert whole(0, 3).holds(value) == (isinstance(value, int) and 0 <= value <= 3)


def test_none_text_and_truth_values_are_no_numbers():
    assert optional(whole(1)).holds(None) and not optional(whole(1)).holds(0)
    for value in (None, "2", True, 10**400):
        assert not whole(1).holds(value) and not at_least(1).holds(value)
    assert OneOf((1.0, 2.0)).holds(2) and not OneOf((1.0, 2.0)).holds(3)


def test_a_field_in_a_config_inside_is_named():
    with pytest.raises(ValueError, match=r"^inside\.epochs must be at least 5 .*, not 3$"):
        check_fields(TrainConfig(epochs=3), within="inside.", epochs=whole(5))


@dataclass(frozen=True)
class Typed:
    number: float = 0.0
    count: int | None = None
    flag: bool = False
    word: Literal["a", "b"] = "a"
    text: str = ""
    inside: TrainConfig = TrainConfig()
    path: Path | None = None

    def __post_init__(self):
        check_fields(self, count=optional(whole(1)))


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("number", math.nan, "a finite number, not nan"),
        ("number", "1", "a finite number, not '1'"),
        ("count", 0, "at least 1 (a whole number), not 0"),
        ("count", math.inf, "a finite number, at least 1"),
        ("flag", "no", "True or False, not 'no'"),
        ("word", "c", "a or b, not 'c'"),
        ("text", 3, "of type str, not 3"),
        ("inside", 3, "of type TrainConfig, not 3"),
    ],
)
def test_what_types_allow_is_checked_without_a_range(field, value, wanted):
    with pytest.raises(ValueError, match=re.escape(f"{field} must be {wanted}")):
        Typed(**{field: value})
    assert Typed(number=1, flag=True, word="b", path=Path()).count is None


def refusal(capsys, options):
    with pytest.raises(SystemExit) as stopped:
        evolve.main(options)
    shown = capsys.readouterr()
    assert stopped.value.code == 2
    assert shown.err.count("\n") == 1 and not shown.out
    return shown.err


OUT_OF_RANGE = {
    "": """--supernet.paths=0 --supernet.paths=-4 --supernet.batch-size=0
        --evolution.war-weight=1.5 --evolution.war-weight=-0.1 --evolution.war-weight=nan
        --evolution.population=0 --evolution.population=3 --evolution.generations=0
        --retrain.top=0 --retrain.halving=0 --retrain.batch-size=0 --retrain.activity-penalty=-1
        --retrain.population=lanes=0 --retrain.population=chunk=-1
        --retrain.population=memory-gib=0 --retrain.population=waste=-0.1
        --seed=-1 --seed=4294967296 --split-seed=-1 --split-seed=4294967296
        --supernet.train.epochs=-1 --retrain.train.learning-rate=nan
        --retrain.fine-tune.learning-rate=inf""",
    "--space=xylo": """--xylo.clock-mhz=10 --xylo.gap=-1 --xylo.gap=nan --xylo.front=0
        --limits=energy-uj=0 --limits=latency_ms=-1 --limits=params=nan --xylo.train.epochs=0
        --xylo.relu.learning-rate=-1 --xylo.batch-size=0 --xylo.mappings=inexact
        --xylo.mappings=native,exact""",
    "--data=eye": "--eye.simulator-seed=-1 --eye.simulator-seed=4294967296",
}


@pytest.mark.parametrize(
    ("first", "option"),
    [(first, option) for first, many in OUT_OF_RANGE.items() for option in many.split()],
)
def test_an_option_out_of_its_range_is_refused_at_once(first, option, tmp_path, capsys):
    run = tmp_path / "run"
    options = ["--data=digits", *first.split(), option, f"--run-dir={run}"]
    name = option.partition("=")[0]
    said = refusal(capsys, options)
    assert said.startswith(f"error: {name} ")
    if name in ("--limits", "--retrain.population"):
        assert option.split("=")[1].replace("_", "-") in said
    assert not run.exists()


@pytest.mark.parametrize("seed", [0, 20240131, 2**32 - 1])
def test_seeds_go_up_to_32_bits(seed):
    command = evolve.parse(["--data=digits", f"--seed={seed}", f"--split-seed={seed}"])
    assert command.config.seed == command.config.split_seed == seed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--xylo.gap=3", "--xylo.gap belongs to --space xylo: leave it out"),
        ("--xylo.train.epochs 9", "--xylo.train.epochs belongs to --space xylo"),
        ("--xylo.train.learning_rate 9", "--xylo.train.learning-rate belongs to --space xylo"),
        ("--xylo.no-referee", "--xylo.no-referee belongs to --space xylo"),
        (
            "--objectives war --evolution.war-weight=0.3",
            "--evolution.war-weight belongs to --objectives fitness",
        ),
        (
            "--objectives war energy --evolution.war-weight=0.3",
            "--evolution.war-weight belongs to --objectives fitness",
        ),
        (
            "--space=xylo --xylo.mappings native --xylo.relu.epochs 3",
            "--xylo.relu.epochs belongs to --xylo.mappings exact",
        ),
        ("--eye.size=24", "--eye.size has no effect with --data digits"),
        ("--data-dir=x", "--data-dir has no effect with --data digits"),
        ("--space=xylo --supernet.paths=2", "--supernet.paths belongs to --space conv, conv-"),
        ("--space=xylo --retrain.train.epochs=3", "--retrain.train.epochs belongs to --space conv"),
        ("--space=xylo --evolution.war-weight=0.3", "--evolution.war-weight belongs to --space"),
        ("--space=xylo --train.balanced", "--train.balanced belongs to --space conv"),
        (
            "--supernet.train.batch-size=64",
            "--supernet.train.batch-size is not an option any more: take --supernet.batch-size",
        ),
        (
            "--retrain.train.warmup 0.2",
            "is not an option any more: it is 0.1 in every run, leave it",
        ),
        ("--retrain.fine-tune.no-quantised", "is not an option any more: it is True in every run"),
        ("--limits.energy-uj=3", "is not an option any more: write --limits energy-uj=VALUE"),
        ("--retrain.population.lanes 1", "write --retrain.population lanes=VALUE"),
        ("--processes=2", "--processes belongs to --distributed"),
        ("--process 0", "--process belongs to --distributed"),
    ],
)
def test_an_option_without_effect_is_refused(options, words):
    with pytest.raises(InputError, match=re.escape(words)):
        evolve.parse(["--data=digits", *options.split()])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--space=xylo --target=cmos45", "unknown chip 'cmos45'"),
        ("--space=xylo --objectives war speed", "unknown --objectives 'speed'"),
        ("--space=xylo --objectives=fitness", "unknown --objectives 'fitness'"),
        ("--objectives war latency", "--target cmos45 does not know the latency of these networks"),
        ("--limits energy-uj=2 --target=xylo-a3", "does not know the energy"),
        ("--evolution.algorithm=nsga2", "is for several objectives, see --objectives"),
        ("--objectives war energy --evolution.algorithm=genetic", "not for several objectives"),
        ("--retrain.top=99", "at least --retrain.top 99"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, words):
    config = evolve.parse(["--data=digits", "--preset=smoke", *options.split()]).config
    with pytest.raises(InputError, match=re.escape(words)):
        check_options(config, new=True)


def test_objectives_and_spaces_bring_their_algorithm():
    for options, algorithm in (
        ("--preset=smoke", "genetic"),
        ("--objectives war energy", "nsga2"),
        ("--space=xylo", "nsga2"),
        ("--space=xylo --objectives=war", "genetic"),
        ("--space=xylo --objectives war energy --evolution.algorithm=random", "random"),
    ):
        config = evolve.parse(["--data=digits", *options.split()]).config
        assert config.evolution.algorithm == algorithm


def test_the_default_target_fits_its_space():
    assert preset("digits", "smoke").target == Config().target == "cmos45"
    assert preset("digits", "smoke", space="xylo").target == "xylo-a3"
    command = evolve.parse(["--data=digits", "--space=xylo", "--xylo.gap=3"])
    assert command.config.target == "xylo-a3"


def test_configs_made_in_python_are_checked_too():
    for config, values in (
        (RetrainConfig, {"halving": 0}),
        (EvolutionConfig, {"war_weight": 2}),
        (Config, {"objectives": "war"}),
        (Config, {"objectives": ("war,energy",)}),
        (Config, {"objectives": ()}),
        (XyloConfig, {"clock_mhz": 20.0}),
        (Config, {"seed": -1}),
    ):
        with pytest.raises(ValueError, match=next(iter(values))):
            config(**values)
