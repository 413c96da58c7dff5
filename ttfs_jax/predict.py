"""Classify a recording of an event camera: `python -m ttfs_jax.predict --checkpoint --events`."""

from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from rich.table import Table

from ttfs_jax.command import run_command
from ttfs_jax.datasets import EyeConfig
from ttfs_jax.datasets.clips import every_clip, show
from ttfs_jax.datasets.event_files import read_events, to_frames
from ttfs_jax.errors import InputError
from ttfs_jax.model import Model, load

RATE = 30.0  # frames a second that networks are trained on


@dataclass(frozen=True)
class Arguments:
    """Classify a recording by a network found by `python -m search.evolve` on eye data."""

    checkpoint: Path
    """Folder of the network, such as runs/x/best/0."""
    events: Path
    """Recording: AEDAT4, HDF5 (Prophesee, DSEC) or text (t x y p)."""
    crop: tuple[int, int, int] | None = None
    """Square around the eye: left, top, edge in pixels (default: the largest in the middle)."""
    json: bool = False
    """Print one JSON line."""


def classify(model: Model, frames: np.ndarray) -> np.ndarray:
    """Return the share of each class for every clip of a recording.

    Softmax of the output potentials of clips that begin at every frame in turn.

    Shapes: frames int8 [T, H, W] -> [clips, K].
    Raises: InputError for a network that was not made for eye data, or frames of another size.
    """
    source = model.meta.get("source") or {}
    if source.get("kind") != "eye":
        raise InputError(
            f"the network was trained on {model.meta.get('dataset')}, not on recordings of eyes: "
            "choose another --checkpoint"
        )
    config = EyeConfig(**{key: value for key, value in source.items() if key != "kind"})
    rows = every_clip(len(frames), frames=config.frames, stride=config.stride)
    images = np.stack([show(frames[row], code=config.code, pool=config.pool) for row in rows])
    return np.asarray(jax.nn.softmax(model(images)))


def run(arguments: Arguments) -> dict:
    """Read, classify and sum up: JSON values."""
    model = load(arguments.checkpoint)
    size = (model.meta.get("source") or {}).get("size", 1)
    frames = to_frames(read_events(arguments.events), size=size, rate=RATE, crop=arguments.crop)
    shares = classify(model, frames)
    classes = model.meta["classes"]
    mean = shares.mean(0)
    return {
        "recording": str(arguments.events),
        "trained_on": model.meta["dataset"],
        "frames": len(frames),
        "clips": len(shares),
        "class": classes[int(mean.argmax())],
        "shares": dict(zip(classes, mean.tolist(), strict=True)),
        "classes_of_clips": [classes[n] for n in shares.argmax(1)],
    }


def table(found: dict) -> Table:
    """Lay out the shares of all classes."""
    result = Table("class", "share", "clips", title=f"{found['recording']}: {found['class']}")
    for name, share in sorted(found["shares"].items(), key=lambda item: -item[1]):
        result.add_row(name, f"{share:.3f}", str(found["classes_of_clips"].count(name)))
    result.caption = f"{found['clips']} clips; network trained on {found['trained_on']}"
    return result


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line."""
    run_command("ttfs_jax.predict", Arguments, run, table, arguments)


if __name__ == "__main__":
    main()
