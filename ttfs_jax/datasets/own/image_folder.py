"""Images in one folder per class as a data set, `folder`."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps

from ttfs_jax.datasets.base import Dataset, Progress
from ttfs_jax.datasets.own.faults import DataError
from ttfs_jax.datasets.own.files import list_files, read_all
from ttfs_jax.datasets.own.samples import OwnOptions, Samples, dataset_of_samples, required_path
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import check_fields, whole

Colour = Literal["grey", "colour"]
MODES = {"grey": "L", "colour": "RGB"}
LARGEST_SIZE = 1024


@dataclass(frozen=True)
class FolderOptions(OwnOptions):
    """Where the images are, and how they are read."""

    size: int = 32
    """Edge of the images in pixels: the largest central square is resized to it."""
    colour: Colour = "grey"
    """One channel, or red, green and blue."""
    subjects: str | None = None
    """Regular expression that finds the subject in a file's path, such as 'user[0-9]+'; the first
    group, or all that matches. Nobody is then in two parts."""

    def __post_init__(self):
        super().__post_init__()
        check_fields(self, size=whole(4, LARGEST_SIZE))


def load_image_folder(
    options: FolderOptions, *, split_seed: int = 0, on_progress: Progress | None = None
) -> Dataset:
    """Load the images below `options.data_dir`, whose folders are named after the classes.

    The layout is that of torchvision's ImageFolder: `CLASS/.../FILE`, or such folders in `train`,
    `val` and `test`. Pillow reads the files. Without folders of parts `split_seed` draws them;
    `on_progress(done, total)` is called while files are read.

    Raises: InputError for a missing folder, no file that can be read, and data that cannot be
    split; single files that cannot be read are in `problems`.
    """
    root = required_path(options, "folder", "the folder that holds a folder per class")
    files = list_files(root, subjects=options.subjects)
    reader = partial(read_image, size=(options.size, options.size), colour=options.colour)
    images, numbers, problems = read_all(files.paths, reader, on_progress=on_progress)
    if files.faults:
        raise DataError(files.faults, problems)
    samples = Samples(
        np.stack(images),
        files.labels[numbers],
        files.classes,
        None if files.parts is None else files.parts[numbers],
        None if files.subjects is None else files.subjects[numbers],
        problems=(*files.problems, *problems),
    )
    return dataset_of_samples(
        root.resolve().name, samples, options, seed=split_seed, source=source_of(options)
    )


def source_of(options: FolderOptions) -> dict[str, Any]:
    """Return how `options` make an image from a file, as JSON values."""
    return {"kind": "image-file", "size": options.size, "colour": options.colour}


def read_image(path: Path, *, size: tuple[int, int], colour: Colour) -> np.ndarray:
    """Read the image file `path`: its largest central part of the shape of `size`, resized.

    `colour` is grey, C = 1, or colour, C = 3. Returns float32 [H, W, C] in [0, 1], `size` being H
    and W. It is rotated by its EXIF tag; 16-bit grey images are divided by 65,535, those of floats
    must be in [0, 1].

    Raises: InputError for a file that Pillow cannot read, and for NaN or values out of range.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            deep = image.mode[0] in "IF"
            image = _checked(image, path) if deep else image
            image = image if deep else image.convert(MODES[colour])
            square = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BILINEAR)
    except InputError:
        raise
    except Exception as error:  # decoders raise what they like for a damaged file
        raise InputError(f"{path} cannot be read ({error}): it is damaged, or no image") from error
    pixels = np.clip(np.asarray(square, np.float32) / (1.0 if deep else 255.0), 0, 1)
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    return np.repeat(pixels, 3, -1) if deep and MODES[colour] == "RGB" else pixels


def _checked(image: Image.Image, path: Path) -> Image.Image:
    """Turn a grey image of 16 bits, or of floats, into one of floats in [0, 1]."""
    largest = 65535.0 if image.mode.startswith("I") else 1.0
    values = np.asarray(image, np.float32) / np.float32(largest)
    if not np.isfinite(values).all():
        raise InputError(f"{path} has NaN or infinite pixels: clean it or leave it out")
    if values.min() < 0 or values.max() > 1:
        raise InputError(
            f"{path} has pixels from {largest * values.min():.4g} to {largest * values.max():.4g}: "
            f"scale them to 0 to {largest:.4g}, or save bytes"
        )
    return Image.fromarray(values)
