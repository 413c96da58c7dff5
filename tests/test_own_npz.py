"""Own arrays: `--data npz` reads what is sound, and names what is not, with the fix."""

import io
import zipfile

import numpy as np
import pytest
from own_data import CLASSES, made_images, write_npz

from search import preset
from search.spaces.registry import build_space
from ttfs_jax import datasets
from ttfs_jax.datasets.own.samples import to_labels
from ttfs_jax.support.errors import InputError

IMAGES, LABELS = made_images()
FLOATS = (IMAGES / 255.0).astype(np.float64)


def loaded(path, **options):
    return datasets.load_dataset("npz", data_dir=path, **options)


def parts(data):
    return {name: getattr(data, name) for name in ("train", "validation", "test")}


def test_bytes_and_floats_grey_and_colour_numbers_and_names(tmp_path):
    data = loaded(write_npz(tmp_path / "mine.npz"), shift=0, flip=True)
    assert (data.name, data.classes, data.image_shape) == ("mine", CLASSES, (12, 12, 1))
    assert (data.augmentation.shift, data.augmentation.flip) == (0, True)
    assert [len(part.labels) for part in parts(data).values()] == [36, 12, 12]
    for part in parts(data).values():
        assert np.bincount(part.labels).tolist() == [len(part.labels) // 3] * 3
    same = loaded(write_npz(tmp_path / "mine.npz", images=FLOATS[..., 0]), shift=0, flip=True)
    np.testing.assert_allclose(same.test.images, data.test.images, atol=1e-6)
    other = loaded(tmp_path / "mine.npz", split_seed=1)
    assert not np.array_equal(other.test.images, data.test.images)
    names = np.array(CLASSES)[LABELS]
    colour = np.concatenate([IMAGES] * 3, -1)
    data = loaded(write_npz(tmp_path / "mine.npz", images=colour, labels=names, classes=None))
    assert data.classes == CLASSES and data.image_shape == (12, 12, 3)
    config = preset("npz", "smoke", data_dir=tmp_path / "mine.npz")
    assert build_space(config, data).size > 100
    assert config.retrain.batch_size == 4


def test_a_given_split_and_people_are_kept(tmp_path):
    split = np.array(["train"] * 40 + ["test"] * 20)
    data = loaded(write_npz(tmp_path / "a.npz", split=split))
    assert [len(part.labels) for part in parts(data).values()] == [34, 6, 20]
    subjects = np.arange(60) // 6
    data = loaded(write_npz(tmp_path / "a.npz", subject=subjects))
    people = [set(part.columns["subject"]) for part in parts(data).values()]
    assert [len(some) for some in people] == [6, 2, 2] and len(set.union(*people)) == 10
    with pytest.raises(InputError, match="subject 6 is in train and in test: put all"):
        loaded(write_npz(tmp_path / "a.npz", split=split, subject=subjects))
    with pytest.raises(InputError, match="2 subjects, or recordings, cannot be split"):
        loaded(write_npz(tmp_path / "a.npz", subject=np.arange(60) % 2))


def test_equal_images_are_told_and_not_in_two_parts(tmp_path):
    images = IMAGES.copy()
    images[3], images[4] = images[0], images[0]
    data = loaded(write_npz(tmp_path / "a.npz", images=images, more=np.zeros(2)))
    assert sum(len(part.labels) for part in parts(data).values()) == 58
    assert "'more' is not used" in data.problems[0]
    assert "2 images are equal to earlier ones: samples 3, 4; left out" in data.problems[1]
    assert "1 of them have another label" in data.problems[2]
    split = np.array(["train", "validation", "test"] * 20)
    split[:6] = ["train", "train", "train", "train", "test", "test"]
    data = loaded(write_npz(tmp_path / "a.npz", images=images, split=split))
    assert sum(len(part.labels) for part in parts(data).values()) == 60
    assert "1 of them are in another part than the earlier: 4" in data.problems
    assert data.problems[-1] == "no test sample of class bars"


NAN = np.where(np.arange(60)[:, None, None, None] == 7, np.nan, FLOATS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": NAN}, r"images 7 hold NaN or infinite pixels \(1 images\): clean"),
        ({"images": FLOATS * 255}, r"leave \[0, 1\].*scale them, as by x / 255"),
        ({"images": IMAGES.astype(int)}, "are int64: save bytes"),
        ({"images": IMAGES[:, 0, 0]}, r"must be \[N, H, W\] or"),
        ({"images": None, "x": IMAGES}, "no array 'images', only labels, classes, x"),
        ({"labels": LABELS[:9]}, r"labels must be \[60\], one for each image, not \[9\]"),
        ({"labels": LABELS / 2}, "whole numbers or strings, not float64"),
        ({"labels": LABELS + 1}, "must be from 0 to 2.*not 1 to 3"),
        ({"labels": LABELS * 0}, "no samples of class dots, rings"),
        ({"labels": LABELS * 0, "classes": None}, "one class only, 0: give at least two"),
        ({"labels": np.where(LABELS, LABELS, 1)}, "no samples of class bars"),
        ({"classes": np.array(["a", "b", "a"])}, "class names occur twice"),
        ({"split": np.array(["val"] * 60)}, "unknown part 'val' of the split"),
        ({"split": np.array(["train"] * 60)}, "the split has no test samples"),
        ({"subject": np.full(60, np.nan)}, "subject must be whole numbers"),
        ({"labels": np.array(LABELS, object)}, "cannot be read .*no objects"),
    ],
)
def test_unsound_arrays_are_named(changes, words, tmp_path):
    with pytest.raises(InputError, match=words):
        loaded(write_npz(tmp_path / "a.npz", **changes))


def test_files_that_are_none_are_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    np.save(tmp_path / "b.npy", IMAGES)
    for name, words in (
        ("a.npz", "read"),
        ("b.npy", "no array 'images'"),
        ("c.npz", "does not exist: name the"),
        (".", "is a folder: name a .npz file, or give --data folder"),
    ):
        with pytest.raises(InputError, match=words):
            loaded(tmp_path / name)
    with pytest.raises(InputError, match="--data npz needs --data-dir: the .npz file"):
        datasets.load_dataset("npz")
    with pytest.raises(InputError, match="shift must be between 0 and 64"):
        loaded(tmp_path / "a.npz", shift=-1)


def test_few_samples_of_a_class_are_named():
    with pytest.raises(InputError, match="did you mean rings"):
        to_labels(np.array(["ring"]), CLASSES, where="x")


def test_texts_of_bytes_are_texts(tmp_path):
    names, people = np.array(CLASSES, "S"), np.array([f"p{n}" for n in range(12)], "S")
    split = np.array(["train"] * 36 + ["test"] * 24, "S")
    arrays = {"labels": names[LABELS], "split": split, "subject": people[np.arange(60) // 5]}
    data = loaded(write_npz(tmp_path / "a.npz", classes=names, **(arrays | {"subject": None})))
    assert data.classes == CLASSES and len(data.test.labels) == 24
    with pytest.raises(InputError, match="^subject p7 is in train and in test"):
        loaded(write_npz(tmp_path / "a.npz", **arrays))
    for name in ("labels", "split", "subject", "classes"):
        latin = np.array([b"\xfc"] * 60)
        with pytest.raises(InputError, match="a.npz cannot be read .*'utf-8' codec"):
            loaded(write_npz(tmp_path / "a.npz", **{name: latin}))


def test_packed_files_that_are_damaged_are_named(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=IMAGES, labels=LABELS)
    sound = path.read_bytes()
    entry = sound.find(b"PK\x01\x02")
    for place, value, words in (
        (200, 255, "a.npz cannot be read"),  # the packed bytes
        (entry + 10, 99, "compression method is not supported"),
        (entry + 8, 1, "encrypted"),
    ):
        damaged = bytearray(sound)
        damaged[place : place + 1] = bytes([value]) * (40 if place == 200 else 1)
        path.write_bytes(damaged[: len(sound)])
        with pytest.raises(InputError, match=words):
            loaded(path)
    header = io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (10**8, 10**3, 10**3)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images.npy", header.getvalue())
    with pytest.raises(InputError, match="cannot be read .*allocate"):
        loaded(path)
