"""The command that classifies files: arrays, images, recordings and folders, a row for each."""

import csv
import dataclasses
import io
import json

import jax
import numpy as np
import pytest
from own_data import CLASSES, made_images, write_npz
from PIL import Image
from test_own_events import write_recording

from search.spaces.registry import make_space
from ttfs_jax import predict
from ttfs_jax.datasets.eye.dataset import ClipConfig
from ttfs_jax.model import Model, load, save_model
from ttfs_jax.network.architecture import largest
from ttfs_jax.network.kinds import dense, readout
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.network.plan import Plan

IMAGES, LABELS = made_images(edge=8)
CLIPS = ClipConfig(size=8, pool=1, stride=1)


def save_network(path, channels, source):
    space = make_space("conv-small", (8, 8, channels), len(CLASSES))
    variables = initialise(Network(space.spec), jax.random.key(0))
    meta = {"dataset": "mine", "classes": list(CLASSES), "source": source}
    save_model(path, Model(space.spec, largest(space.spec), variables, meta))
    return path


@pytest.fixture(scope="module")
def images_network(tmp_path_factory):
    return save_network(tmp_path_factory.mktemp("network") / "0", 1, {"kind": "array"})


@pytest.fixture(scope="module")
def events_network(tmp_path_factory):
    source = {"kind": "events", **dataclasses.asdict(CLIPS), "rate": 20.0, "sensor": [16, 16]}
    return save_network(tmp_path_factory.mktemp("network") / "0", 8, source)


def printed(capsys, checkpoint, *options, problems=None):
    """Return what is printed; with `problems` the command says how many, and fails at the end."""
    arguments = [f"--checkpoint={checkpoint}", *map(str, options)]
    if problems is None:
        predict.main(arguments)
        return capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        predict.main(arguments)
    output = capsys.readouterr()
    assert (
        stopped.value.code == 1
        and output.err == f"{problems} files have a problem: see their rows\n"
    )
    return output.out


def test_arrays_images_and_folders_in_rows(images_network, tmp_path, capsys):
    folder = tmp_path / "files"
    (folder / "inner").mkdir(parents=True)
    np.save(folder / "a.npy", IMAGES[:3, ..., 0])
    np.save(folder / "b.npy", IMAGES[4])
    write_npz(folder / "c.npz", images=IMAGES[:2] / 255.0)
    np.save(folder / "d.npy", IMAGES[:2, :4])
    np.save(folder / "e.npy", IMAGES[0] * np.nan)
    Image.fromarray(IMAGES[4, ..., 0]).save(folder / "inner" / "f.png")
    (folder / "g.jpg").write_bytes(b"no image")
    (folder / ".hidden").write_bytes(b"no image")
    write_recording(folder / "h.txt", 0, 0)
    text = printed(capsys, images_network, "--inputs", folder, problems="4 of 8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["file"].removeprefix(f"{folder}/") for row in rows] == [
        *["a.npy"] * 3,
        *["b.npy", "c.npz", "c.npz", "d.npy", "e.npy", "g.jpg", "h.txt", "inner/f.png"],
    ]
    logits = load(images_network)((IMAGES / 255.0).astype(np.float32))
    decided = [CLASSES[n] for n in np.asarray(logits).argmax(1)]
    assert [row["class"] for row in rows[:6]] == [*decided[:3], decided[4], *decided[:2]]
    assert [row["item"] for row in rows[:6]] == ["0", "1", "2", "", "0", "1"]
    assert rows[-1]["class"] == decided[4] and rows[-1]["share"] == rows[3]["share"]
    for row, words in (
        (rows[6], "images must be [N, 8, 8, 1], as the network was trained on, not [2, 4, 8, 1]"),
        (rows[7], "NaN"),
        (rows[8], "cannot be read"),
        (rows[9], "not on clips of recordings"),
    ):
        assert words in row["problem"] and not row["class"]


def test_recordings_in_json_lines_as_they_were_trained_on(events_network, tmp_path, capsys):
    for number in range(2):
        write_recording(tmp_path / f"{number}.txt", number, number, size="")
    Image.fromarray(IMAGES[4, ..., 0]).save(tmp_path / "x.png")
    text = printed(capsys, events_network, "--inputs", tmp_path, "--json", problems="1 of 3")
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row.get("clips") for row in rows] == [20 - 3, 20 - 3, None]
    assert "takes 8 channels" in rows[2]["problem"]
    for row in rows[:2]:
        assert row["class"] == max(row["shares"], key=row["shares"].get)
        assert sum(row["shares"].values()) == pytest.approx(1)
    (one,) = printed(capsys, events_network, "--events", tmp_path / "0.txt", "--json").splitlines()
    assert json.loads(one)["shares"] == rows[0]["shares"]


def test_an_input_that_is_not_there_is_named(images_network, tmp_path, capsys):
    with pytest.raises(SystemExit):
        printed(capsys, images_network, "--inputs", tmp_path / "none.png")
    assert "none.png does not exist: name files" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--events=x", "--inputs", "y"]])
def test_one_recording_or_files(options, images_network, capsys):
    with pytest.raises(SystemExit):
        printed(capsys, images_network, *options)
    assert "name either one recording by --events, or files by --inputs" in capsys.readouterr().err


def test_folders_without_classes_are_named(images_network, tmp_path, capsys):
    for folder, outputs in (("numbers", 1), ("run/best/0", 3)):
        plan = Plan((8, 8, 1), (dense("head", 4), readout("value", outputs)))
        variables = initialise(Network(plan), jax.random.key(0))
        save_model(tmp_path / folder, Model(plan, largest(plan), variables))
    (tmp_path / "empty").mkdir()
    (tmp_path / "run/best/.before").mkdir()
    (tmp_path / "run/best/.before/meta.json").write_text("{}")  # no network: passed over
    for folder, words in (
        ("run", "run holds no network itself: did you mean"),
        ("run/best", "run/best/0?"),
        ("numbers", "gives 1 × 1 × 1 values, which are not classes"),
        ("empty", "holds no network, none of meta.json"),
        ("absent", "holds no network, none of meta.json"),
    ):
        with pytest.raises(SystemExit) as stopped:
            printed(capsys, tmp_path / folder, "--inputs", tmp_path)
        assert stopped.value.code == 2 and words in capsys.readouterr().err
    images_network.rename(images_network.with_name(".0.old"))  # while it is replaced
    np.save(tmp_path / "a.npy", IMAGES[0])
    try:
        assert "a.npy,," in printed(capsys, images_network, "--inputs", tmp_path / "a.npy")
    finally:
        images_network.with_name(".0.old").rename(images_network)


def test_a_network_of_the_zoo_classifies_files(tmp_path, capsys):
    np.save(tmp_path / "a.npy", IMAGES[0])
    (line,) = printed(capsys, "zoo:digits", "--inputs", tmp_path, "--json").splitlines()
    assert list(json.loads(line)["shares"]) == [str(digit) for digit in range(10)]
