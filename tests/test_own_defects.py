"""What can be wrong with own data, for every kind: named in one line with the fix, nothing lost.

Fatal faults end loading, and `inspect` lists all of them; of others the rest of the data is read.
"""

import json
import sys

import numpy as np
import pytest
from own_defects import (
    FATAL,
    FLOATS,
    MORE,
    PEOPLE,
    SPLIT,
    TEXT,
    TOLD,
    folder,
    idx,
    npz,
    odd_file,
    spoilt,
)
from test_own_events import write_folders, write_table
from test_own_folder import write_folder
from test_own_tonic import stand_in

from ttfs_jax import datasets
from ttfs_jax.datasets import inspect
from ttfs_jax.support.errors import InputError


def named(table):
    return pytest.mark.parametrize("case", table, ids=map("-".join, table))


@pytest.fixture(autouse=True)
def stand_in_for_tonic(monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic", stand_in())


def options_of(kind, given):
    """Write options as they are given to a command."""
    words = [f"--data={kind}"]
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        if name == "clips":
            words += "--clips.size=8 --clips.pool=1 --clips.stride=1".split()
        elif name == "classes":
            words += [option, *value]
        else:
            words.append(f"{option}={value}")
    return words


@named(FATAL)
def test_what_ends_loading_is_one_line_and_inspected(case, tmp_path, capsys):
    write, words = FATAL[case]
    given = write(tmp_path)
    with pytest.raises(InputError) as caught:
        datasets.load_dataset(case[0], **given)
    message = str(caught.value)
    assert words in message and "\n" not in message and ": " in message
    with pytest.raises(SystemExit) as stopped:
        inspect.main([*options_of(case[0], given), f"--out={tmp_path / 'sheet.png'}"])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and words in error
    assert all(line.startswith("error: ") for line in error.splitlines())


@named(TOLD)
def test_what_spoils_one_file_is_told_and_the_rest_is_read(case, tmp_path, capsys):
    write, words, samples = TOLD[case]
    given = write(tmp_path)
    data = datasets.load_dataset(case[0], **given)
    problems = [problem for problem in data.problems if words in problem]
    assert len(problems) == 1 and "\n" not in problems[0]
    parts = (data.train, data.validation, data.test)
    numbers = [part.columns.get("sequence", np.arange(len(part.labels))) for part in parts]
    assert sum(len(np.unique(rows)) for rows in numbers) == samples
    sheet = f"--out={tmp_path / 'sheet.png'}"
    inspect.main([*options_of(case[0], given), sheet, "--json"])
    assert problems[0] in json.loads(capsys.readouterr().out)["problems"]


@pytest.mark.parametrize(
    ("kind", "write", "lines"),
    [
        (
            "npz",
            npz(
                images=spoilt(spoilt(FLOATS, 7, np.nan), 9, 3.0),
                classes=np.array(MORE),
                split=SPLIT,
                subject=np.where(PEOPLE == 9, 0, PEOPLE),
                more=np.zeros(1),
            ),
            ("images 7 hold NaN", "images 9 leave [0, 1]", "class x", *("subject",) * 2, "'more'"),
        ),
        (
            "folder",
            folder(lambda root: (root / "train" / "x").mkdir(), subjects="([0-9])[0-9].png"),
            ("no samples of class x", *("is in train and in test",) * 6),
        ),
        (
            "folder",
            folder(odd_file("train/dots", "test/bars"), subjects="[0-9]+"),
            (
                *(
                    "finds no subject in test/bars/odd.png",
                    "finds no subject in train/dots/odd.png",
                ),
                *("bars/odd.png cannot be read", "dots/odd.png cannot be read"),
            ),
        ),
    ],
)
def test_all_that_is_wrong_is_listed(kind, write, lines, tmp_path, capsys):
    given = write(tmp_path)
    with pytest.raises(InputError, match=r"\(and \d more: python -m ttfs_jax.datasets.inspect"):
        datasets.load_dataset(kind, **given)
    with pytest.raises(SystemExit):
        inspect.main([*options_of(kind, given), "--json"])
    printed = capsys.readouterr()
    problems = json.loads(printed.out)["problems"]
    assert len(problems) == len(lines) == len(printed.err.splitlines())
    for words, problem in zip(lines, problems, strict=True):
        assert words in problem


def test_two_damaged_files_of_four_are_both_named(tmp_path, capsys):
    given = idx(cut="train-images-idx3-ubyte")(tmp_path)
    (given["data_dir"] / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(SystemExit):
        inspect.main(options_of("idx", given))
    first, second = capsys.readouterr().err.splitlines()
    assert "train-images-idx3-ubyte is truncated" in first
    assert "holds no *t10k-labels-idx*" in second


def test_subjects_are_found_in_paths(tmp_path):
    data = datasets.load_dataset(
        "folder", data_dir=write_folder(tmp_path / "mine"), subjects="[0-9]"
    )
    people = [
        set(part.columns["subject"].tolist()) for part in (data.train, data.validation, data.test)
    ]
    assert [len(some) for some in people] == [3, 1, 2]
    assert set.union(*people) == set("012345")
    root = write_folders(tmp_path / "recordings")
    data = datasets.load_dataset("events", data_dir=root, subjects="/([0-9])", **TEXT)
    assert sorted(np.unique(data.train.columns["subject"]).tolist()) != []
    for kind, given, words in (
        ("folder", {"subjects": "("}, "is not a regular expression"),
        (
            "folder",
            {"subjects": "user[0-9]+"},
            "finds no subject in bars/00.png, nor in [0-9]+ others",
        ),
    ):
        with pytest.raises(InputError, match=words):
            datasets.load_dataset(kind, data_dir=tmp_path / "mine", **given)
    table = write_table(tmp_path / "recordings" / "table.csv", ["bars/0.txt,bars"], "file,label")
    with pytest.raises(InputError, match="--subjects is for folders: give the table a column"):
        datasets.load_dataset("events", data_dir=table, subjects="[0-9]", **TEXT)
