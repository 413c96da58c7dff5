"""Variants of the recipe: each changes the trainings that its words name, and no other."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import ablation
from benchmarks.ablation import VARIANTS, AblationArguments
from ttfs_jax.datasets import digits

BASE = ablation.base(AblationArguments())


def changes(stage, variant):
    before, after = getattr(BASE, stage), getattr(variant.recipes(BASE), stage)
    return {
        field.name: getattr(after, field.name)
        for field in dataclasses.fields(after)
        if getattr(after, field.name) != getattr(before, field.name)
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_changes_the_stages_that_it_names(name):
    variant = VARIANTS[name]
    first, second = changes("train", variant), changes("fine_tune", variant)
    if "fine-tuning" in variant.words and name != "base":
        assert second and not first
    else:
        assert first == second
    assert bool(first or second) == (name not in ("base", "no-augmentation"))


def test_without_means_in_no_stage():
    for name, option, value in (
        ("no-penalty", "activity_penalty", 0.0),
        ("no-smoothing", "label_smoothing", 0.0),
    ):
        recipe = VARIANTS[name].recipes(BASE)
        assert getattr(recipe.train, option) == getattr(recipe.fine_tune, option) == value
        assert getattr(BASE.train, option) == getattr(BASE.fine_tune, option) != value


def test_both_stages_are_trained_by_the_changed_recipe(monkeypatch, capsys):
    """Members are stood in for by ones that note how they were trained."""
    seen = []

    class Stub:
        def __init__(self, space, genotypes, data, seed, layout):
            self.members = len(genotypes)

        def initial(self):
            return {}

        def train(self, name, variables, config, *, code, **_):
            seen.append((name, code, config.activity_penalty))
            return variables, None

        def convert(self, variables, members):
            return variables

        def measure(self, variables, members, images, labels, *, code):
            accuracy = np.linspace(0.5, 0.6, self.members) + 0.1 * (len(seen) > 2)
            return SimpleNamespace(war=accuracy, spikes_per_neuron=accuracy)

    monkeypatch.setattr(ablation.datasets, "load_dataset", lambda _: digits.load_digits())
    monkeypatch.setattr(ablation, "Retraining", Stub)
    ablation.main(["--images=128", "--seeds=2", "--only", "no-penalty", "--json"])
    rows = json.loads(capsys.readouterr().out)["variants"]
    stages = ("retrain", "relu"), ("fine_tune", "ttfs")
    assert seen == [(*stage, penalty) for penalty in (0.1, 0.0) for stage in stages]
    change = {"activity_penalty": 0.0}
    assert rows["no-penalty"]["changed"] == {"train": change, "fine_tune": change}
    assert rows["no-penalty"]["gain"] == pytest.approx(0.1)
    assert rows["no-penalty"]["gain_se"] == pytest.approx(0, abs=1e-12)
    assert rows["base"]["gain"] == 0


@pytest.mark.parametrize(
    ("options", "message"), [(["--seeds=1"], "at least 2"), (["--only", "none"], "choose from")]
)
def test_unsound_options_are_named(options, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        ablation.main(options)
    assert message in capsys.readouterr().err
