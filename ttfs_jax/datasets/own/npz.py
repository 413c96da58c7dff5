"""Arrays of one .npz file as a data set, `npz`."""

from pathlib import Path
from typing import Any

import numpy as np

from ttfs_jax.datasets.base import Dataset
from ttfs_jax.datasets.own.faults import Faults
from ttfs_jax.datasets.own.parts import faults_of_split
from ttfs_jax.datasets.own.samples import (
    OwnOptions,
    Samples,
    check_classes,
    dataset_of_samples,
    required_path,
    to_images,
    to_labels,
)
from ttfs_jax.support.errors import InputError

NEEDED, COLUMNS = ("images", "labels"), ("split", "subject")


def load_npz(options: OwnOptions, *, split_seed: int = 0) -> Dataset:
    """Load `images` and `labels` of the file `options.data_dir`, written by `numpy.savez`.

    `images` are [N, H, W] or [N, H, W, C], bytes or floats within [0, 1]; `labels` [N] whole
    numbers or strings; `split` [N], if present, is train, validation or test; `subject` [N] is a
    sample's subject, and nobody is in two parts; `classes` [K] names the classes. Without `split`
    the parts are drawn by `split_seed`.

    Raises: InputError for a missing or damaged file, arrays that are missing or of another shape or
    kind, and data that cannot be split.
    """
    path = required_path(options, "npz", "the .npz file")
    arrays = read_arrays(path)
    for name in NEEDED:
        if name not in arrays:
            raise InputError(
                f"{path} has no array {name!r}, only {', '.join(arrays)}: save it by "
                "np.savez(file, images=..., labels=...)"
            )
    samples = _to_samples(path, arrays)
    return dataset_of_samples(
        path.stem, samples, options, seed=split_seed, source={"kind": "array"}
    )


def _to_samples(path: Path, arrays: dict[str, np.ndarray]) -> Samples:
    """Check all arrays of a file before any error is raised."""
    unused = [name for name in arrays if name not in (*NEEDED, *COLUMNS, "classes")]
    problems = tuple(f"{path}: the array {name!r} is not used" for name in unused)
    classes = arrays["classes"].ravel().tolist() if "classes" in arrays else None
    parts = arrays["split"].astype(str) if "split" in arrays else None
    subjects = arrays.get("subject")
    images, labels, names = np.zeros((0, 0, 0, 0), np.float32), np.zeros(0, np.int32), ()
    faults = Faults()
    with faults.collect():
        images = to_images(arrays["images"], where=f"{path}: images")
    with faults.collect():
        labels, names = to_labels(arrays["labels"], classes, where=f"{path}: labels")
    count = len(np.atleast_1d(arrays["images"]))
    shapes = [
        f"{path}: {name} must be [{count}], one for each image, not {list(arrays[name].shape)}"
        for name in ("labels", *COLUMNS)
        if name in arrays and arrays[name].shape != (count,)
    ]
    faults.add(shapes)
    if subjects is not None and subjects.dtype.kind not in "iuUS":
        faults.add([f"{path}: subject must be whole numbers or strings: convert it"])
    elif faults.messages and not shapes:  # else `dataset_of_samples` checks these
        if len(names):
            with faults.collect():
                check_classes(labels, names)
        faults.add(faults_of_split(parts, subjects))
    faults.raise_all(problems)
    return Samples(images, labels, names, parts, subjects, problems=problems)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of `path`, a .npz file; the one of a .npy file has its name.

    Texts of bytes become those of characters, by UTF-8. Objects are never unpickled.

    Raises: InputError for a folder and for a file that is neither.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a .npz file, or give --data folder or idx")
    try:
        # Opened here, since NumPy leaves a damaged file open.
        with path.open("rb") as content:
            file = np.load(content, allow_pickle=False)
            arrays = (
                {path.stem: file}
                if isinstance(file, np.ndarray)
                else {name: file[name] for name in file.files}
            )
        return {name: _characters(values) for name, values in arrays.items()}
    except Exception as error:  # damage ends in NumPy, zipfile, zlib or the memory
        raise InputError(
            f"{path} cannot be read ({error}): save numbers and strings, no objects, by np.savez"
        ) from error


def _characters(values: Any) -> Any:
    """Decode texts of bytes, as of HDF5 or MATLAB; ValueError for those that are not UTF-8."""
    text = isinstance(values, np.ndarray) and values.dtype.kind == "S"
    return np.char.decode(values, "utf-8") if text else values
