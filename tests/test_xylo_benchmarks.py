"""The chip's benchmarks: digits by every mapping, and the summary of runs."""

import json

import pytest

from benchmarks import xylo_digits
from benchmarks.reports import xylo_summary
from ttfs_jax.support.errors import InputError


@pytest.mark.slow
def test_digits_by_every_mapping(capsys):
    """Very short training: what is measured must hang together, not be good."""
    options = ["--seeds=1", "--epochs=2", "--relu-epochs=20", "--samples=40", "--json"]
    xylo_digits.main(options)
    result = json.loads(capsys.readouterr().out)
    assert result["note"] == "estimated, not measured"
    rows = result["rows"]
    assert rows["float TTFS"]["accuracy"] == rows["float ReLU"]["accuracy"] > 0.7
    assert rows["exact B1, 64 steps"]["same_as_float"] > 0.9
    for name, row in rows.items():
        if name.startswith("float"):
            continue
        assert 0 <= row["first_spike"] <= row["decided"] <= 1
        assert row["uj_low"] < row["uj_nominal"] < row["uj_high"]
        assert row["ms"] == pytest.approx(row["steps"] * row["cycles_per_step"] / 50e3)
    short, long = rows["native, 24 steps"], rows["native, 24 and 16 silent steps"]
    assert long["decided"] >= short["decided"]
    assert long["steps"] == short["steps"] + 16


def run(folder, *, seed, evolution, chance, differs, baseline=True):
    row = {
        "architecture": {"layers": "16-8"},
        "validation": {"war": 0.5, "uar": 0.5},
        "test": {
            "war": 0.25 * (1 + seed),
            "uar": 0.4,
            "latency": 1e-3,
            "hardware": {"energy": {"low": 1e-6, "nominal": 2e-6, "high": 3e-6}},
            "xylosim_differs": differs,
        },
    }
    better = {
        "dominates": seed == 0,
        "at_energy": {"war": 0.61, "uar": 0.62},
        "at_recall": {"war": 1.5e-6, "uar": 2.5e-6},
    }
    none = {
        "dominates": False,
        "at_energy": {"war": None, "uar": None},
        "at_recall": {"war": None, "uar": None},
    }
    own = {"war": 0.5, "uar": 0.51, "energy": 9e-6, "latency": 1e-3}
    metrics = {
        "format": 2,
        "seed": seed,
        "hypervolume": {"evolution": evolution, "random": chance},
        "comparison": {
            "baseline": own if baseline else dict.fromkeys(own),
            "evolution": better if baseline else None,
            "random": none if baseline else None,
        },
        "front": [row],
        "baseline": row if baseline else None,
        "seconds": {"test": 60.0},
    }
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return str(folder)


def test_runs_are_summarised(tmp_path, capsys):
    runs = [
        run(tmp_path / "a", seed=0, evolution=0.5, chance=0.4, differs=0),
        run(tmp_path / "b", seed=1, evolution=0.3, chance=0.4, differs=None),
    ]
    xylo_summary.main(runs)
    text = " ".join(capsys.readouterr().out.split())
    assert "larger hypervolume in 1 of 2 runs" in text
    assert "best 0.375 ± 0.177" in text
    assert "not run" in text
    assert (
        "The front of evolution dominates the baseline in 1, that of random search in 0 of 2"
        in text
    )
    assert "evolution │ yes │ 0.610 │ 0.620 │ 1.5 │ 2.5 │" in text
    assert "random │ no │ none │ none │ none │ none │" in text
    assert "baseline │ │ 0.500 │ 0.510 │ 9.0 │ 9.0 │" in text
    xylo_summary.main([*runs, "--json"])
    first, _ = json.loads(capsys.readouterr().out)["runs"]
    assert first["best"]["uj"] == pytest.approx({"low": 1.0, "nominal": 2.0, "high": 3.0})
    assert first["networks_rerun"] == 2


def test_a_run_whose_baseline_does_not_fit_is_summarised(tmp_path, capsys):
    xylo_summary.main(
        [run(tmp_path / "a", seed=0, evolution=0.5, chance=0.4, differs=3, baseline=False)]
    )
    text = " ".join(capsys.readouterr().out.split())
    assert "baseline none fits" in text
    assert "3/1" in text
    assert "baseline │ │ – │ does not fit │ – │" in text
    assert "baseline │ no fit │ none │" in text


def test_a_folder_without_results_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no finished run"):
        xylo_summary.read_run(tmp_path)


def test_a_run_of_an_earlier_version_is_named(tmp_path):
    (tmp_path / "metrics.json").write_text('{"front": [], "hand_made": null}')
    with pytest.raises(InputError, match=r"has format 1, whose figures mean something else"):
        xylo_summary.read_run(tmp_path)
