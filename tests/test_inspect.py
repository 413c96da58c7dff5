"""A first look at data: counts, ranges, event rates and a contact sheet, before any training."""

import json

import numpy as np
import pytest
from own_data import CLASSES, write_npz
from PIL import Image
from test_own_events import CLIPS, write_folders

from search.reports.figures import draw_confusion
from ttfs_jax import datasets
from ttfs_jax.datasets import inspect


def test_counts_ranges_and_a_sheet_of_own_arrays(tmp_path, capsys):
    path = write_npz(tmp_path / "mine.npz", subject=np.arange(60) // 6, more=np.zeros(1))
    sheet = tmp_path / "sheet.png"
    options = ["--data=npz", f"--data-dir={path}", f"--out={sheet}"]
    inspect.main([*options, "--json"])
    result = json.loads(capsys.readouterr().out)
    assert (result["dataset"], result["classes"]) == ("mine", list(CLASSES))
    test = result["parts"]["test"]
    assert test["samples"] == sum(test["by_class"].values()) == 12
    assert len(test["by_subject"]) == 2 and set(test["by_subject"].values()) == {6}
    assert test["range"][1] == 1 and test["events_per_second"] == {}
    assert "'more' is not used" in result["problems"][0]
    with Image.open(sheet) as image:
        pixels = np.asarray(image)
    rows = inspect.EDGE + inspect.GAP
    assert pixels.shape[0] == 3 * rows
    square = pixels[:, inspect.NAME : inspect.NAME + inspect.EDGE]
    for label in range(3):
        y = label * rows + int((3 * label + 1.5) * inspect.EDGE / 12)
        assert (square[y, inspect.EDGE // 2] == 255).all()
    inspect.main(options)
    shown = capsys.readouterr().out
    assert "rings" in shown and "2 subjects" in shown and "problem: " in shown


def test_event_rates_of_recordings(tmp_path):
    data = datasets.load_dataset("events", data_dir=write_folders(tmp_path / "a"), clips=CLIPS)
    rates = inspect.describe_dataset(data)["parts"]["train"]["events_per_second"]
    # 300 events a second; those of a pixel that cancel out or meet in a frame count once at most.
    assert set(rates) == set(CLASSES) and all(100 < rate <= 300 for rate in rates.values())
    assert np.asarray(inspect.contact_sheet(data))[..., 1].min() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--data is missing: choose one of eye, see"),
        (["--data=nzp"], "did you mean npz"),
        (["--data=digits", "--data-dir=x"], "--data-dir has no effect with --data digits"),
        (["--data=digits", "--out=nowhere/x.png"], "nowhere/x.png cannot be written"),
    ],
)
def test_refusals_are_one_line(options, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        inspect.main(options)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.count("\n") == 1 and words in error


def test_names_of_classes_are_shown_as_they_are(tmp_path, capsys):
    names = ("[red]x[/red]", "$\\frac$", "\udcff")
    path = write_npz(tmp_path / "mine.npz", classes=np.array(names))
    inspect.main(["--data=npz", f"--data-dir={path}", f"--out={tmp_path / 'sheet.png'}"])
    assert f"│ {names[0]} " in capsys.readouterr().out
    protocol = {"confusion": np.eye(3).tolist(), "war": 1.0, "uar": 1.0}
    figure = draw_confusion({"protocol": protocol}, names[1], names)
    figure.savefig(tmp_path / "figure.png")
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert ticks == [names[0], r"\$\frac\$", r"\udcff"]
