"""The comparison with SEE's counts: nothing for the plan itself, and what is lost if one is."""

from pathlib import Path

import numpy as np
import pytest
from see_tree import make_tree

from benchmarks.see_roundtrip import proportions, read_set
from ttfs_jax.datasets.eye.motion import EMOTIONS
from ttfs_jax.datasets.eye.plan import plan_takes
from ttfs_jax.datasets.eye.see import Index, Sequence
from ttfs_jax.support.memory import peak_memory


def index_of(takes):
    sequences = [
        Sequence(t.name, t.subject, t.light, EMOTIONS.index(t.emotion), t.training, ())
        for t in takes
    ]
    return Index(Path(), EMOTIONS, tuple(sequences), ())


def test_the_whole_plan_has_the_proportions_of_see():
    found = proportions(index_of(plan_takes(seed=3)))
    # 107 people of known light have become 111: no count can be nearer than that.
    assert found["emotion_deviation"] < 0.01
    assert found["light_deviation"] < 0.05
    assert found["test_deviation"] < 0.01


def test_missing_takes_show():
    plan = plan_takes(seed=3)
    without = [t for t in plan if t.emotion != "fear"]
    assert proportions(index_of(without))["emotion_deviation"] == pytest.approx(1.0)
    trained = [t for t in plan if t.training]
    assert proportions(index_of(trained))["test_deviation"] == pytest.approx(1.0)


def test_peak_memory_is_known_with_and_without_proc(tmp_path):
    before = peak_memory(), peak_memory(tmp_path)
    block = np.ones(2**26, np.uint8)
    grown = peak_memory(), peak_memory(tmp_path)
    assert all(later >= earlier > 2**24 for earlier, later in zip(before, grown, strict=True))
    assert min(grown) > block.nbytes
    assert read_set(make_tree(tmp_path / "set"), tmp_path / "cache", 8)["peak_gib"] > 2**-4
