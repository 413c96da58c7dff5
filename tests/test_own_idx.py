"""Folders in the layout of MNIST: `--data idx` with its own class names, and `--data mnist`."""

import gzip

import numpy as np
import pytest
from own_data import CLASSES, made_images

from search import evolve
from ttfs_jax import datasets
from ttfs_jax.support.errors import InputError


def idx_bytes(values):
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    return header + values.astype(np.uint8).tobytes()


def write_idx(folder, *, classes=3, zipped=False, train="train-{}-idx{}-ubyte", test=None):
    """Write 40 training and 20 test images in as many classes."""
    folder.mkdir(exist_ok=True)
    images, labels = made_images()[0][..., 0], np.arange(60) % classes
    for name, rows in ((train, slice(40)), (test or train.replace("train", "t10k"), slice(40, 60))):
        for kind, values in (("images", images[rows]), ("labels", labels[rows])):
            content = idx_bytes(values)
            path = folder / (name.format(kind, values.ndim) + ".gz" * zipped)
            path.write_bytes(gzip.compress(content) if zipped else content)
    return folder


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"zipped": True},
        {"train": "train-{}.idx{}-ubyte"},
        {"train": "my-train-{}-idx{}-ubyte", "test": "my-test-{}-idx{}-ubyte"},
    ],
)
def test_four_files_under_their_usual_names(names, tmp_path):
    data = datasets.load_dataset("idx", data_dir=write_idx(tmp_path / "mine", **names))
    assert (data.name, data.classes) == ("mine", ("0", "1", "2"))
    assert [len(p.labels) for p in (data.train, data.validation, data.test)] == [34, 6, 20]
    np.testing.assert_array_equal(np.sort(data.test.labels), np.sort(np.arange(40, 60) % 3))


def test_classes_have_their_own_names(tmp_path):
    folder = write_idx(tmp_path / "mine")
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    assert datasets.load_dataset("idx", data_dir=folder).classes == CLASSES
    options = ["--data=idx", f"--data-dir={folder}", "--preset=smoke", "--classes", "a", "b", "c"]
    assert evolve.parse(options).config.data_options.classes == ("a", "b", "c")
    with pytest.raises(InputError, match="must be from 0 to 1"):
        datasets.load_dataset("idx", data_dir=folder, classes=("a", "b"))


def test_mnist_is_reported_as_mnist(tmp_path):
    data = datasets.load_dataset("mnist", data_dir=write_idx(tmp_path / "x", classes=10))
    assert (data.name, data.classes) == ("mnist", tuple("0123456789"))
    with pytest.raises(InputError, match="no samples of class 3, 4"):
        datasets.load_dataset("mnist", data_dir=write_idx(tmp_path / "x"))


def test_missing_and_foreign_files_are_named(tmp_path):
    folder = write_idx(tmp_path / "mine")
    labels = folder / "t10k-labels-idx1-ubyte"
    content = labels.read_bytes()
    labels.write_bytes(idx_bytes(np.zeros(19)))
    with pytest.raises(InputError, match=r"20 test images but labels \[19\]: get matching files"):
        datasets.load_dataset("idx", data_dir=folder)
    labels.write_bytes(content[:-1])
    with pytest.raises(InputError, match="truncated"):
        datasets.load_dataset("idx", data_dir=folder)
    (folder / "test-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(InputError, match="several files of test labels, t10k-.*leave one"):
        datasets.load_dataset("idx", data_dir=folder)
    for path in folder.glob("t*-labels*"):
        path.unlink()
    with pytest.raises(InputError, match="holds no .*train-labels-idx"):
        datasets.load_dataset("idx", data_dir=folder)
