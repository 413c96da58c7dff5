"""Write a simulated eye data set in the layout of SEE: `python -m ttfs_jax.datasets.make_eye`.

The emotions are synthetic: a score on these data says nothing about real people.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import tyro
from PIL import Image
from rich.progress import track

from ttfs_jax import compilation_cache
from ttfs_jax.command import one_line_errors
from ttfs_jax.datasets.event_frames import to_levels
from ttfs_jax.datasets.eye_motion import EMOTIONS
from ttfs_jax.datasets.eye_plan import SUBJECTS, make_plan
from ttfs_jax.datasets.simulated_eye import record
from ttfs_jax.errors import InputError

JPEG_QUALITY = 95


@dataclass(frozen=True)
class Arguments:
    """Write a simulated eye data set in the layout of SEE."""

    out: Path
    """New or empty folder."""
    seed: int = 0
    """Fixes everything."""
    subjects: int = SUBJECTS
    """People."""
    size: int = 90
    """Edge of the frames in pixels."""


def write(out: Path, *, seed: int, subjects: int = SUBJECTS, size: int = 90, limit=None) -> int:
    """Write event/, frame/ and emotion.json; return the number of sequences.

    Raises: InputError when the folder holds something already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not an empty folder: choose another --out")
    plan = make_plan(seed=seed, subjects=subjects)[:limit]

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
        for _ in track(pool.map(keep, range(len(plan))), "sequences", len(plan)):
            pass
    database = {
        take.name: {
            "subset": "training" if take.training else "testing",
            "annotations": {"label": take.emotion, "segment": [0, take.length]},
        }
        for take in plan
    }
    content = {"labels": list(EMOTIONS), "database": database}
    (out / "emotion.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    return len(plan)


def main(arguments: list[str] | None = None) -> None:
    """Parse the options and write; a mistake ends in one line and exit status 2."""
    chosen = tyro.cli(Arguments, args=arguments, prog="python -m ttfs_jax.datasets.make_eye")
    compilation_cache.enable()
    with one_line_errors():
        try:
            count = write(chosen.out, seed=chosen.seed, subjects=chosen.subjects, size=chosen.size)
        except OSError as error:
            raise InputError(
                f"cannot write {error.filename or chosen.out} ({error.strerror}): choose an --out "
                "that can be written and has space"
            ) from error
    print(f"{count} sequences of simulated eye data in {chosen.out}")


if __name__ == "__main__":
    main()
