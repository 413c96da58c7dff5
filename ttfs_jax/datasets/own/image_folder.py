"""Images in one folder per class as a data set, `folder`."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps

from ttfs_jax.datasets.base import Dataset, Progress
from ttfs_jax.datasets.own.files import list_files, read_all
from ttfs_jax.datasets.own.samples import OwnOptions, Samples, dataset_of_samples, required_path
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import check_fields, whole

Colour = Literal["grey", "colour"]
MODES = {"grey": "L", "colour": "RGB"}
LARGEST_SIZE = 1024


@dataclass(frozen=True)
class FolderOptions(OwnOptions):
    """Where the images lie, and what is made of them."""

    size: int = 32
    """Edge of the images in pixels: the largest square in the middle is resized to it."""
    colour: Colour = "grey"
    """One channel, or red, green and blue."""

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
    files = list_files(root)
    reader = partial(read_image, size=(options.size, options.size), colour=options.colour)
    images, numbers, problems = read_all(files.paths, reader, on_progress=on_progress)
    samples = Samples(
        np.stack(images),
        files.labels[numbers],
        files.classes,
        None if files.parts is None else files.parts[numbers],
        problems=(*files.problems, *problems),
    )
    return dataset_of_samples(
        root.resolve().name, samples, options, seed=split_seed, source=source_of(options)
    )


def source_of(options: FolderOptions) -> dict[str, Any]:
    """Return how an image is made of a file by `options`, as JSON values."""
    return {"kind": "image-file", "size": options.size, "colour": options.colour}


def read_image(path: Path, *, size: tuple[int, int], colour: Colour) -> np.ndarray:
    """Read the image file `path`: the largest part in its middle of the shape of `size`, resized.

    `colour` is grey, C = 1, or colour, C = 3. Returns float32 [H, W, C] in [0, 1], `size` being H
    and W. It is turned as its EXIF tag says; grey images of 16 bits are divided by 65,535.

    Raises: InputError for a file that Pillow cannot read.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            deep = image.mode.startswith("I")
            image = Image.fromarray(np.asarray(image, np.float32) / 65535.0) if deep else image
            image = image if deep else image.convert(MODES[colour])
            square = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read ({error}): it is damaged, or no image") from error
    pixels = np.asarray(square, np.float32) / (1.0 if deep else 255.0)
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    return np.repeat(pixels, 3, -1) if deep and MODES[colour] == "RGB" else np.clip(pixels, 0, 1)
