"""The training benchmark: a few epochs beat a line, and mistakes are named."""

import json

import pytest

from benchmarks import solver_training

LINEAR = 0.638  # validation accuracy of a linear classifier on Yin-Yang


@pytest.mark.slow
def test_a_few_epochs_beat_a_linear_classifier(capsys):
    options = "--models lif_double constant_slope --epochs 6 --seeds 2 --json"
    solver_training.main(options.split())
    result = json.loads(capsys.readouterr().out)
    assert (result["dataset"], result["epochs"]) == ("yin-yang", 6)
    assert list(result["models"]) == ["lif_double", "constant_slope"]
    for row in result["models"].values():
        assert row["validation_accuracy"] > LINEAR
        assert len(row["seeds"]) == 2
    assert result["models"]["lif_double"]["parameters"] == 4 * 30 + 30 * 3


@pytest.mark.parametrize("options", ["--models lif_doble", "--data yinyang"])
def test_unknown_names_are_one_line_errors(capsys, options):
    with pytest.raises(SystemExit, match="2"):
        solver_training.main(options.split())
    error = capsys.readouterr().err
    assert error.startswith("error: unknown") and "did you mean" in error
