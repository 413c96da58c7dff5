"""Small seeded runs give what they gave before: `golden.py` keeps it, and says how it is renewed.

On the kind of machine that the results were kept on, every number has to be the same. Elsewhere XLA
rounds in other ways, and searches part: only what is drawn before any training has to be the same,
and its recalls may differ by `APART`.
"""

import numpy as np
import pytest
from command import complete
from golden import EYE_RUN, collect, kept, machine

APART = 0.15  # of a recall, after a single epoch on a few hundred samples
pytestmark = pytest.mark.slow


@pytest.fixture
def finished_eye(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    complete(*EYE_RUN, "--run-dir", tmp_path / "eye")
    return tmp_path / "eye"


def first_drawn(history):
    """Take the first generation of random search, which no training has steered."""
    rows = zip(*(history[key] for key in ("stage", "generation", "genotype", "war")), strict=True)
    first = [(genotype, war) for *which, genotype, war in rows if which == ["random", 1]]
    return [genotype for genotype, _ in first], [war for _, war in first]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("digits", marks=pytest.mark.xdist_group("run")),
        pytest.param("xylo", marks=pytest.mark.xdist_group("xylo-run")),
        pytest.param("eye", marks=pytest.mark.xdist_group("eye-run")),
    ],
)
def test_a_run_gives_what_it_gave(name, request):
    fixture = {"digits": "finished", "xylo": "finished_xylo", "eye": "finished_eye"}[name]
    before, now = kept(name), collect(name, request.getfixturevalue(fixture))
    if before.pop("machine") == machine():
        assert now == before
        return
    (genotypes, recalls), (same, near) = (first_drawn(run["history"]) for run in (now, before))
    assert genotypes
    assert genotypes == same
    np.testing.assert_allclose(recalls, near, atol=APART)
    assert now["metrics"].keys() == before["metrics"].keys()
