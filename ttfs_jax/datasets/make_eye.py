"""Write a simulated eye data set in the layout of SEE: `python -m ttfs_jax.datasets.make_eye`.

The emotions are synthetic: a score on these data says nothing about real people.
"""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.progress import track

from ttfs_jax.datasets.events.columns import LARGEST_EDGE
from ttfs_jax.datasets.eye.frames import to_levels
from ttfs_jax.datasets.eye.motion import EMOTIONS
from ttfs_jax.datasets.eye.plan import SUBJECTS, Take, plan_takes
from ttfs_jax.datasets.eye.simulated import record
from ttfs_jax.support import compilation_cache
from ttfs_jax.support.command import one_line_errors, parse_options
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import check_whole

JPEG_QUALITY = 95
ANNOTATION = "emotion.json"


@dataclass(frozen=True)
class MakeEyeArguments:
    """Write a simulated eye data set in the layout of SEE."""

    out: Path
    """New or empty folder."""
    seed: int = 0
    """Fixes everything: a whole number from 0 to 2³² − 1."""
    subjects: int = SUBJECTS
    """People."""
    size: int = 90
    """Edge of the frames in pixels."""


def write_eye(
    out: Path,
    *,
    seed: int = 0,
    subjects: int = SUBJECTS,
    size: int = 90,
    limit: int | None = None,
) -> int:
    """Write event/, frame/ and emotion.json into `out`; return the number of sequences.

    Frames have the edge `size`; only the first `limit` sequences are written. Everything is removed
    again on failure or interruption.

    Raises: InputError when the folder holds something already or cannot be written, for a seed
    outside 0 … 2³² − 1, subjects outside 8 … 10,000 or an edge outside 1 … 4096 pixels.
    """
    plan = plan_takes(seed=seed, subjects=subjects)[:limit]
    check_whole("size", size, 1, LARGEST_EDGE)
    try:
        with _claimed(out):
            _write_frames(out, plan, seed=seed, size=size)
            _write_annotation(out, plan)
    except OSError as error:
        raise InputError(
            f"cannot write {error.filename or out} ({error.strerror or error}): choose an --out "
            "that can be written and has space"
        ) from error
    return len(plan)


@contextmanager
def _claimed(out: Path) -> Iterator[None]:
    """Reserve a new or empty folder for this process; its contents are removed on failure."""
    fresh = not out.exists()
    if not fresh and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not an empty folder: choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    try:
        (out / "event").mkdir()  # one of two processes fails here
    except FileExistsError as error:
        raise InputError(f"{out} is written by another process: choose another --out") from error
    try:
        yield
    except BaseException:
        for name in ("event", "frame"):
            shutil.rmtree(out / name, ignore_errors=True)
        (out / ANNOTATION).unlink(missing_ok=True)
        if fresh:
            out.rmdir()
        raise


def _write_frames(out: Path, plan: list[Take], *, seed: int, size: int) -> None:
    def keep(number: int) -> None:
        take = plan[number]
        recording = record(take, number, seed=seed, size=size)
        pictures = {"event": to_levels(recording.events), "frame": recording.light}
        for kind, images in pictures.items():
            folder = out / kind / take.emotion / take.name
            folder.mkdir(parents=True)
            for n, image in enumerate(images):
                Image.fromarray(image).save(folder / f"{n:05d}.jpg", quality=JPEG_QUALITY)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(keep, range(len(plan)))
        for _ in track(results, "sequences", len(plan), console=Console(stderr=True)):
            pass


def _write_annotation(out: Path, plan: list[Take]) -> None:
    database = {
        take.name: {
            "subset": "training" if take.training else "testing",
            "annotations": {"label": take.emotion, "segment": [0, take.length]},
        }
        for take in plan
    }
    content = {"labels": list(EMOTIONS), "database": database}
    (out / ANNOTATION).write_text(json.dumps(content, indent=1), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Parse the options, `arguments`, and write; a mistake ends in one line and exit status 2."""
    with one_line_errors():
        options = parse_options(MakeEyeArguments, arguments, name="ttfs_jax.datasets.make_eye")
        compilation_cache.enable()
        count = write_eye(
            options.out, seed=options.seed, subjects=options.subjects, size=options.size
        )
    print(f"{count} sequences of simulated eye data in {options.out}")


if __name__ == "__main__":
    main()
