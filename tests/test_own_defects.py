"""What can be wrong with own data, for every kind: named in one line with the fix, nothing lost.

Fatal faults end loading, and `inspect` lists all of them; of others the rest of the data is read.
"""

import json
import shutil
import sys

import numpy as np
import pytest
from own_data import CLASSES, made_images, write_npz
from PIL import Image
from test_own_events import CLIPS, write_folders, write_recording, write_table
from test_own_folder import write_folder
from test_own_idx import idx_bytes, write_idx
from test_own_tonic import stand_in, write_gestures, write_nmnist

from ttfs_jax import datasets
from ttfs_jax.datasets import inspect
from ttfs_jax.support.errors import InputError

IMAGES, LABELS = made_images()
FLOATS = (IMAGES / 255.0).astype(np.float32)
TEXT = {"clips": CLIPS, "time_unit": "us"}


def spoilt(images, number, value):
    images = images.copy()
    images[number, 0, 0] = value
    return images


def npz(**changes):
    return lambda path: {"data_dir": write_npz(path / "mine.npz", **changes)}


def truncated(file, keep=0.5):
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content))])


def spoil_npz(path):
    truncated(write_npz(path / "mine.npz"))
    return {"data_dir": path / "mine.npz"}


def idx(*, count=3, cut=None, **options):
    """Write images of so many classes, one file cut short."""

    def write(path):
        folder = write_idx(path / "mine", classes=count)
        if cut:
            truncated(folder / cut)
        return {"data_dir": folder, **options}

    return write


def idx_twice(count):
    """Write an image twice, and one of another label, in the training part."""

    def write(path):
        folder = write_idx(path / "mine", classes=count)
        images = made_images()[0][:40, ..., 0]
        images[5] = images[4]
        (folder / "train-images-idx3-ubyte").write_bytes(idx_bytes(images))
        return {"data_dir": folder}

    return write


def folder(change, **options):
    """Write images in three folders, then change something; parts by `train` and `test`."""

    def write(path):
        parts = (lambda n: ("train", "test")[n % 2]) if "subjects" in options else None
        root = write_folder(path / "mine", parts=parts)
        change(root)
        return {"data_dir": root, "size": 12, **options}

    return write


def events(change, **options):
    def write(path):
        root = write_folders(path / "mine")
        change(root)
        return {"data_dir": root, **TEXT, **options}

    return write


def tonic(change, name="NMNIST", write=write_nmnist):
    def make(path):
        change(write(path))
        return {"data_dir": path, "set_name": name, "clips": CLIPS}

    return make


def keep_one_class(root):
    for name in CLASSES[1:]:
        shutil.rmtree(root / name)


def float_image(value):
    values = np.full((12, 12), 0.5, np.float32)
    values[3, 3] = value
    return lambda root: Image.fromarray(values).save(root / "dots" / "odd.tif")


def events_with(line, count):
    """Add a recording of which so many lines are unsound."""

    def change(root):
        file = write_recording(root / "dots" / "odd.txt", 1, 99)
        file.write_text(file.read_text() + f"{line}\n" * count)

    return change


def odd_file(*places):
    """Add a file that is no image to folders."""

    def change(root):
        for place in places:
            (root / place / "odd.png").write_bytes(b"no image")

    return change


def copy(source, target):
    return lambda root: shutil.copy(root / source, root / target)


def parts_and_people(root):
    """Sort recordings into train and test, those of p0 into both."""
    for number, file in enumerate(sorted(root.glob("*/*.txt"))):
        place = root / ("test" if number % 3 == 0 else "train") / file.parent.name
        place.mkdir(parents=True, exist_ok=True)
        file.rename(place / f"p{number // 4}_{file.name}")


def user_in_both(root):
    folder = root / "DVSGesture" / "ibmGestureTrain"
    (folder / "user02_led").rename(folder / "user24_natural")


def odd_digit(content):
    return lambda root: (root / "NMNIST" / "Train" / "3" / "99999.bin").write_bytes(content)


def only_one_digit(root):
    for part in ("Train", "Test"):
        for digit in range(1, 10):
            shutil.rmtree(root / "NMNIST" / part / str(digit))


SPLIT = np.array(["train"] * 40 + ["test"] * 20)
PEOPLE = np.arange(60) // 6
TWICE = IMAGES.copy()
TWICE[4] = TWICE[1]
OUTSIDE = bytes([200, 3, 0, 0, 9])  # an event at column 200 of 34
MORE = [*CLASSES, "x"]
# By kind and defect: how the data are written, and what is said. All of these end loading.
FATAL = {
    ("npz", "NaN"): (npz(images=spoilt(FLOATS, 7, np.nan)), "mine.npz: images 7 hold NaN"),
    ("npz", "range"): (npz(images=FLOATS * 255), "mine.npz: images 0, 1"),
    ("npz", "empty class"): (npz(classes=np.array(MORE)), "no samples of class x"),
    ("npz", "one class"): (npz(labels=LABELS * 0, classes=None), "one class only, 0: give at"),
    ("npz", "person"): (npz(split=SPLIT, subject=PEOPLE), "subject 6 is in train and in test: put"),
    ("npz", "unreadable"): (spoil_npz, "mine.npz cannot be read"),
    ("idx", "range"): (idx(classes=("a", "b")), "mine: labels must be from 0 to 1"),
    ("idx", "empty class"): (idx(classes=MORE), "no samples of class x"),
    ("idx", "one class"): (idx(count=1), "one class only, 0: give at least two"),
    ("idx", "unreadable"): (idx(cut="train-images-idx3-ubyte"), "idx3-ubyte is truncated: "),
    ("mnist", "range"): (idx(count=11), "mine: labels must be from 0 to 9"),
    ("mnist", "empty class"): (idx(), "no samples of class 3, 4"),
    ("mnist", "one class"): (idx(count=1), "no samples of class 1, 2"),
    ("mnist", "unreadable"): (idx(cut="t10k-labels-idx1-ubyte"), "idx1-ubyte is truncated: "),
    ("folder", "empty class"): (folder(lambda root: (root / "x").mkdir()), "no samples of class x"),
    ("folder", "one class"): (folder(keep_one_class), "one class only, bars: give at least"),
    ("folder", "person"): (
        folder(lambda root: None, subjects="([0-9])[0-9].png"),
        "subject 0 is in train and in test: put all",
    ),
    ("events", "empty class"): (events(lambda root: (root / "x").mkdir()), "no samples of class x"),
    ("events", "one class"): (events(keep_one_class), "one class only, bars: give at least"),
    ("events", "person"): (
        events(parts_and_people, subjects="p[0-9]+"),
        "subject p0 is in train and in test: put all",
    ),
    ("tonic", "empty class"): (tonic(only_one_digit), "no samples of class 1 - digit, 2 - digit"),
    ("tonic", "person"): (
        tonic(user_in_both, "DVSGesture", write_gestures),
        "subject 24 is in train and in test: put all",
    ),
}
# After these the rest is loaded: the problem, and how many samples or sequences are left.
TOLD = {
    ("npz", "twice"): (npz(images=TWICE), "1 images are equal to earlier ones: samples 4", 59),
    ("idx", "twice"): (idx_twice(3), "1 images are equal to earlier ones: samples 5", 60),
    ("mnist", "twice"): (idx_twice(10), "1 images are equal to earlier ones: samples 5", 60),
    ("folder", "NaN"): (folder(float_image(np.nan)), "dots/odd.tif has NaN", 60),
    ("folder", "range"): (folder(float_image(7)), "odd.tif has pixels from 0.5 to 7: scale", 60),
    ("folder", "twice"): (
        folder(copy("dots/01.png", "bars/odd.png")),
        "dots/01.png is the same file as ",
        60,
    ),
    ("folder", "unreadable"): (
        folder(odd_file("dots")),
        "dots/odd.png cannot be read",
        60,
    ),
    ("events", "NaN"): (events(events_with("nan 3 3 1", 9)), "dots/odd.txt", 18),
    ("events", "few NaN"): (events(events_with("nan 3 3 1", 1)), "dropped 1 of 301 events", 19),
    ("events", "range"): (events(events_with("5 -1 3 1", 9)), "dots/odd.txt", 18),
    ("events", "twice"): (
        events(copy("dots/1.txt", "bars/odd.txt")),
        "dots/1.txt is the same file as ",
        18,
    ),
    ("events", "unreadable"): (
        events(lambda root: (root / "dots" / "odd.txt").write_bytes(b"\x00\xff")),
        "dots/odd.txt",
        18,
    ),
    ("tonic", "range"): (tonic(odd_digit(OUTSIDE)), "NMNIST train[", 60),
    ("tonic", "unreadable"): (tonic(odd_digit(b"123")), "NMNIST train[", 60),
    ("tonic", "twice"): (
        tonic(
            lambda root: shutil.copy(
                root / "NMNIST/Train/2/00002.bin", root / "NMNIST/Train/2/99999.bin"
            )
        ),
        "it is the same recording as NMNIST train[",
        60,
    ),
}


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
