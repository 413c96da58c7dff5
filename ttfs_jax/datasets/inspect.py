"""Look at a data set before any training: `python -m ttfs_jax.datasets.inspect --data NAME`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from PIL import Image, ImageDraw
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ttfs_jax.datasets import DATASETS, Dataset, Options, Split, load_dataset, make_options
from ttfs_jax.datasets.arguments import chosen_data
from ttfs_jax.datasets.eye.dataset import config_of
from ttfs_jax.datasets.own.faults import DataError
from ttfs_jax.support.command import console, one_line_errors, parse_options
from ttfs_jax.support.devices import single_precision
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.json_text import dumps

PARTS = ("train", "validation", "test")
COLUMNS, EDGE, NAME, GAP = 10, 64, 96, 2  # images per row; pixels of an image, a name, between them
EYE_RATE = 30.0  # frames per second of clips without a rate
SHOWN = 20  # subjects and problems in the table; JSON has all


@dataclass(frozen=True)
class InspectArguments:
    """Look at a data set before any training: counts, ranges, event rates, a contact sheet."""

    data: Annotated[str, tyro.conf.arg(metavar="|".join(DATASETS))]
    """Data set; it has options of its own."""
    data_options: Annotated[Options, tyro.conf.arg(name="")]
    """Options of the data set, of its own class."""
    split_seed: int = 0
    """Seed of the train / validation / test split, 0 to 2^32 - 1."""
    out: Path = Path("contact_sheet.png")
    """The contact sheet, a row of training images for each class; replaced if it is there."""
    json: bool = False
    """Print one JSON line."""


def describe_dataset(data: Dataset) -> dict[str, Any]:
    """Count and measure a data set: JSON values.

    For every part: samples, by class and by subject, the range and mean of the pixels, the share
    that is 0 (no spike), and for clips of recordings the events per second of each class.
    """
    parts = {name: _describe_part(data, getattr(data, name)) for name in PARTS}
    return {
        "dataset": data.name,
        "classes": list(data.classes),
        "image_shape": list(data.image_shape),
        "parts": parts,
        "source": dict(data.source),
        "problems": list(data.problems),
    }


def _describe_part(data: Dataset, part: Split) -> dict[str, Any]:
    classes, images = dict(enumerate(data.classes)), part.images
    subjects, counts = np.unique(part.columns.get("subject", []), return_counts=True)
    rates = event_rates(data, part)
    return {
        "samples": len(part.labels),
        "by_class": {name: int((part.labels == n).sum()) for n, name in classes.items()},
        "by_subject": {str(s): int(n) for s, n in zip(subjects, counts, strict=True)},
        "range": [float(images.min()), float(images.max())],
        "mean": float(images.mean(dtype=float)),
        "zero": float((images == 0).mean()),
        "events_per_second": {
            name: float(rates[part.labels == n].mean())
            for n, name in classes.items()
            if len(rates) and (part.labels == n).any()
        },
    }


def event_rates(data: Dataset, part: Split) -> np.ndarray:
    """Return the events per second of each clip of a `part` of `data`: [N].

    They are [] if the images are not counts of events.

    A pixel of a frame counts once, regardless of its number of events.
    """
    clips = config_of(data.source)
    if clips is None or part.images.shape[-1] != 2 * clips.frames:
        return np.zeros(0)
    events = part.images.sum((1, 2, 3), dtype=float) * clips.pool**2
    return events * data.source.get("rate", EYE_RATE) / clips.frames


def contact_sheet(data: Dataset) -> Image.Image:
    """Draw the first training images of every class of `data`: one row each, after its name.

    Clips show ON events red and OFF events blue; images other than grey and colour show their mean.
    """
    rows = len(data.classes)
    step = EDGE + GAP
    sheet = Image.new("RGB", (NAME + COLUMNS * step, rows * step), "white")
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(data.classes):
        ascii_name = name.encode("ascii", "replace").decode()
        pen.text((4, row * step + EDGE // 2 - 6), ascii_name[:15], fill="black")
        for column, number in enumerate(np.flatnonzero(data.train.labels == row)[:COLUMNS]):
            pixels = _visible(data.train.images[number], clips=config_of(data.source) is not None)
            image = Image.fromarray(np.round(255 * pixels).astype(np.uint8))
            square = image.resize((EDGE, EDGE), Image.Resampling.NEAREST)
            sheet.paste(square, (NAME + column * step, row * step))
    return sheet


def _visible(image: np.ndarray, *, clips: bool) -> np.ndarray:
    """Show an image [H, W, C] in red, green and blue: [H, W, 3] in [0, 1]."""
    if clips:
        on, off = image[..., 0::2].max(-1), image[..., 1::2].max(-1)
        return np.stack([on, np.zeros_like(on), off], -1)
    return image if image.shape[-1] == 3 else np.repeat(image.mean(-1, keepdims=True), 3, -1)


def description_tables(result: dict[str, Any]) -> Group:
    """Lay out `result`, what `describe_dataset` returns, for rich."""
    shape = " × ".join(map(str, result["image_shape"]))
    counts = Table("class", *PARTS, title=f"{result['dataset']}: samples, images {shape}")
    parts = [result["parts"][name] for name in PARTS]
    for name in result["classes"]:
        counts.add_row(Text(name), *(str(part["by_class"][name]) for part in parts))
    counts.add_row("all", *(str(part["samples"]) for part in parts), style="bold")
    lines = []
    for name, part in zip(PARTS, parts, strict=True):
        low, high = part["range"]
        lines.append(
            f"{name}: pixels {low:.3g} to {high:.3g}, mean {part['mean']:.3g}, "
            f"{part['zero']:.0%} are 0"
        )
        subjects = [f"{who} ({count})" for who, count in part["by_subject"].items()]
        if subjects:
            more = ", ..." if len(subjects) > SHOWN else ""
            noun = "subject" if len(subjects) == 1 else "subjects"
            lines.append(f"  {len(subjects)} {noun}: {', '.join(subjects[:SHOWN])}{more}")
        rates = [f"{who} {rate:,.0f}" for who, rate in part["events_per_second"].items()]
        if rates:
            lines.append(f"  events per second: {', '.join(rates)}")
    problems = result["problems"]
    lines += [f"problem: {problem}" for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"{len(problems)} problems, all of them with --json")
    return Group(counts, *map(Text, lines), Text(f"contact sheet: {result['contact_sheet']}"))


def inspect_dataset(arguments: InspectArguments) -> dict[str, Any]:
    """Load the data set of `arguments`, describe it and write its contact sheet: JSON values."""
    data = load_dataset(arguments.data, arguments.data_options, split_seed=arguments.split_seed)
    try:
        contact_sheet(data).save(arguments.out)
    except (OSError, ValueError) as error:
        raise InputError(f"{arguments.out} cannot be written ({error}): choose --out") from error
    return describe_dataset(data) | {"contact_sheet": str(arguments.out)}


def _show_faults(arguments: InspectArguments, error: DataError) -> None:
    """Print all faults of data that cannot be loaded, one line each."""
    if arguments.json:
        print(dumps({"dataset": arguments.data, "problems": list(error.problems)}))
    for problem in error.problems:
        print(f"error: {' '.join(problem.splitlines())}", file=sys.stderr)


def main(arguments: list[str] | None = None) -> None:
    """Print tables or a JSON line; for data that cannot be loaded, all faults.

    `arguments` replace those of the command line.
    """
    words = sys.argv[1:] if arguments is None else arguments
    with one_line_errors(), single_precision():
        name = chosen_data(words)
        default = InspectArguments(name, make_options(name))
        options = parse_options(
            InspectArguments,
            words,
            name="ttfs_jax.datasets.inspect",
            default=default,
            script="ttfs-inspect",
        )
        try:
            result = inspect_dataset(options)
        except DataError as error:
            _show_faults(options, error)
            sys.exit(2)
        if options.json:
            print(dumps(result))
        else:
            console().print(description_tables(result))


if __name__ == "__main__":
    main()
