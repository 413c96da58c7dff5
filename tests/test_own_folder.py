"""Images in a folder per class: `--data folder` reads what it can, and tells what it cannot."""

import numpy as np
import pytest
from own_data import CLASSES, made_images
from PIL import Image

from ttfs_jax import datasets
from ttfs_jax.datasets.own.image_folder import read_image
from ttfs_jax.support.errors import InputError

IMAGES, LABELS = made_images(edge=16, channels=3)


def write_folder(root, *, parts=None):
    """Write the images as PNG, in folders of parts if `parts` says which."""
    for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        folder = root / (parts(number) if parts else "") / CLASSES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:02}.png")
    return root


def test_grey_and_colour_are_resized(tmp_path):
    folder = write_folder(tmp_path / "mine")
    data = datasets.load_dataset("folder", data_dir=folder)
    assert (data.name, data.classes, data.image_shape) == ("mine", CLASSES, (32, 32, 1))
    assert [len(p.labels) for p in (data.train, data.validation, data.test)] == [36, 12, 12]
    assert not data.problems
    data = datasets.load_dataset("folder", data_dir=folder, size=16, colour="colour")
    pixels = {image.tobytes() for image in (IMAGES / 255.0).astype(np.float32)}
    assert pixels == {
        image.tobytes() for p in (data.train, data.validation, data.test) for image in p.images
    }
    assert data.source == {"kind": "image-file", "size": 16, "colour": "colour"}


def test_folders_of_parts_are_kept(tmp_path):
    def part(number):
        return ("train", "train", "val", "test")[number // 3 % 4]

    folder = write_folder(tmp_path / "mine", parts=part)
    (folder / "notes" / "x").mkdir(parents=True)
    data = datasets.load_dataset("folder", data_dir=folder, size=8)
    assert [len(p.labels) for p in (data.train, data.validation, data.test)] == [30, 15, 15]
    assert "notes: no part" in data.problems[0]


def test_files_that_cannot_be_read_are_told_and_the_rest_is_read(tmp_path):
    folder = write_folder(tmp_path / "mine")
    (folder / "dots" / "broken.png").write_bytes((folder / "dots" / "01.png").read_bytes()[:200])
    (folder / "dots" / "notes.txt").write_text("no image")
    (folder / "dots" / ".hidden").write_text("no image")
    (folder / "rings" / "copy.png").write_bytes((folder / "dots" / "01.png").read_bytes())
    data = datasets.load_dataset("folder", data_dir=folder, size=8)
    assert len(data.problems) == 3
    for words in ("broken.png cannot be read", "notes.txt cannot be read", "copy.png is the same"):
        assert any(words in problem for problem in data.problems)
    assert sum(len(p.labels) for p in (data.train, data.validation, data.test)) == 60


def test_deep_turned_and_oblong_images(tmp_path):
    deep = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    image = read_image(tmp_path / "deep.png", size=(8, 8), colour="grey")
    np.testing.assert_allclose(image[..., 0], deep / 65535, atol=1e-5)
    assert read_image(tmp_path / "deep.png", size=(8, 8), colour="colour").shape == (8, 8, 3)
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    Image.fromarray(wide).save(tmp_path / "wide.png", exif=exif)
    assert read_image(tmp_path / "wide.png", size=(8, 8), colour="grey").min() == 1


def test_folders_that_hold_nothing_are_named(tmp_path):
    missing, empty = (tmp_path / "x", "does not exist"), (tmp_path, "holds no files in folders")
    for path, words in (missing, empty):
        with pytest.raises(InputError, match=words):
            datasets.load_dataset("folder", data_dir=path)
    folder = write_folder(tmp_path / "mine")
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="no samples of class empty"):
        datasets.load_dataset("folder", data_dir=folder)
    (tmp_path / "text" / "a").mkdir(parents=True)
    (tmp_path / "text" / "a" / "b.txt").write_text("x")
    with pytest.raises(InputError, match="none of 1 files can be read: left out: .*b.txt"):
        datasets.load_dataset("folder", data_dir=tmp_path / "text")


def test_folders_of_parts_have_small_letters_or_capitals(tmp_path):
    folder = write_folder(tmp_path / "mine", parts=lambda n: ("Train", "TEST")[n % 2])
    data = datasets.load_dataset("folder", data_dir=folder, size=8)
    assert data.classes == CLASSES and len(data.test.labels) == 30


def test_a_class_may_be_called_train(tmp_path):
    folder = write_folder(tmp_path / "mine")
    (folder / "bars").rename(folder / "train")
    data = datasets.load_dataset("folder", data_dir=folder, size=8)
    assert data.classes == ("dots", "rings", "train") and not data.problems


def test_what_a_decoder_raises_is_told(tmp_path, monkeypatch):
    for error in (RuntimeError("no item"), NotImplementedError("method"), MemoryError("size")):

        def fail(*given, error=error):
            raise error

        monkeypatch.setattr(Image, "open", fail)
        with pytest.raises(InputError, match=f"x.avif cannot be read .{error}"):
            read_image(tmp_path / "x.avif", size=(8, 8), colour="grey")
