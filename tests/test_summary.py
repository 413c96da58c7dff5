"""Finished runs side by side: means and spread by hand, and folders without a run."""

import json

import pytest

from benchmarks.reports import summary


def network(war):
    return {
        "before_fine_tuning": {"relu": {"war": war + 0.02}, "ttfs": {"war": war + 0.02}},
        "validation": {"war": war},
        "relu": {"war": war + 0.01},
        "ttfs": {"war": war, "uar": war - 0.01},
        "ttfs_continuous": {"war": war + 0.005},
        "first_spike": {"war": war},
        "agreement_with_relu": 0.9,
        "spikes_per_neuron": 0.25,
        "synops": 1e6,
        "params": 1000,
    }


def finished(folder, *, seed, war):
    metrics = {
        "format": 2,
        "dataset": "digits",
        "seed": seed,
        "architectures_evaluated": 64,
        "best": [network(war), network(0.1)],
        "random_search": [network(war - 0.2), network(0.1)],
        "seconds": {"supernet": 60.0, "test": 30.0},
    }
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return str(folder)


def test_means_and_spread_of_the_best_by_hand(tmp_path, capsys):
    runs = [finished(tmp_path / str(n), seed=n, war=war) for n, war in enumerate((0.9, 0.8))]
    summary.main([*runs, "--json"])
    result = json.loads(capsys.readouterr().out)
    assert result["datasets"] == ["digits"]
    assert result["runs"][1]["ttfs_war"] == 0.8
    mean, spread = result["mean_and_sd"]["ttfs_war"]
    assert (mean, spread) == pytest.approx((0.85, 0.05 * 2**0.5))
    assert result["mean_and_sd"]["random_ttfs_war"][0] == pytest.approx(0.65)
    assert result["mean_and_sd"]["relu_war"][0] == pytest.approx(0.86)
    assert result["mean_and_sd"]["before_relu_war"][0] == pytest.approx(0.87)
    assert result["mean_and_sd"]["minutes"] == [1.5, 0.0]
    summary.main(runs[:1])
    assert "0.9000 ± 0.0000" in capsys.readouterr().out


@pytest.mark.parametrize("names", [[], ["none"]])
def test_no_finished_run_is_named(tmp_path, capsys, names):
    with pytest.raises(SystemExit, match="2"):
        summary.main([str(tmp_path / name) for name in names])
    assert "finished run" in capsys.readouterr().err
