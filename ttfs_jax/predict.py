"""Classify files by a trained network: `python -m ttfs_jax.predict --checkpoint C --inputs ...`."""

import csv
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ttfs_jax.prediction.classifier import MODELS, Kinds, open_classifier
from ttfs_jax.prediction.files import classify_files
from ttfs_jax.prediction.recordings import Reading, classify_recording
from ttfs_jax.support import compilation_cache
from ttfs_jax.support.command import console, one_line_errors, parse_options
from ttfs_jax.support.devices import single_precision
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.json_text import dumps

COLUMNS = ("file", "item", "class", "share", "clips", "problem")  # of CSV


@dataclass(frozen=True)
class PredictArguments:
    """Classify files by a network from `python -m search.evolve`."""

    checkpoint: Path
    """Folder of the network, such as runs/x/best/0."""
    events: Path | None = None
    """One recording, with details: AEDAT4, HDF5 (Prophesee, DSEC, M3ED, MVSEC, v2e, rpg) or text
    (t x y p)."""
    crop: tuple[int, int, int] | None = None
    """Square to crop: left, top, edge in pixels (default: as in training, or the largest central
    one)."""
    time_unit: Literal["s", "ms", "us", "ns"] | None = None
    """Unit of the recording's times (default: as in the file, else guessed, with a note)."""
    stream: str | None = None
    """Which camera, if the recording holds several."""
    json: bool = False
    """Print JSON lines."""
    inputs: tuple[Path, ...] = ()
    """Files, or folders of them, one line of CSV each: images, recordings, and arrays (.npy, .npz),
    which have one line per image."""

    @property
    def reading(self) -> Reading:
        """Say how recordings are read."""
        return Reading(self.crop, self.time_unit, self.stream)


def predict_recording(arguments: PredictArguments, *, kinds: Kinds = MODELS) -> dict:
    """Read the one recording of the `arguments`, classify it and summarise: JSON values.

    The network is one of some `kinds`, see `open_classifier`.
    """
    if arguments.events is None:
        raise InputError("name a recording by --events, or files by --inputs")
    classifier = open_classifier(arguments.checkpoint, kinds)
    return classify_recording(classifier, arguments.events, arguments.reading)


def predict_files(arguments: PredictArguments, *, kinds: Kinds = MODELS) -> Iterator[dict]:
    """Classify the files of the `arguments`, and yield a row of JSON values for each.

    The network is one of some `kinds`; see `classify_files` for what a row holds.
    """
    classifier = open_classifier(arguments.checkpoint, kinds)
    return classify_files(classifier, arguments.inputs, arguments.reading)


def print_csv(results: Iterable[dict]) -> None:
    """Print `results` as CSV with a header, without values that need more than one column."""
    writer = csv.DictWriter(sys.stdout, COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(results)


def shares_table(summary: dict) -> Group:
    """Lay out a `summary`: shares of all classes between the recording's name and notes."""
    result = Table("class", "share", "clips")
    for name, share in sorted(summary["shares"].items(), key=lambda item: -item[1]):
        result.add_row(escape(name), f"{share:.3f}", str(summary["classes_of_clips"].count(name)))
    lines = [
        f"{summary['clips']} clips; network trained on {summary['trained_on']}",
        *summary["notes"],
    ]
    return Group(Text(f"{summary['recording']}: {summary['class']}"), result, *map(Text, lines))


def print_rows(results: Iterable[dict], *, json: bool) -> None:
    """Print `results` as JSON lines if `json` is set, else as CSV.

    If files had a problem, their number is printed at the end, and the program ends with status 1.
    """
    files: set[str] = set()
    spoilt: set[str] = set()

    def counted() -> Iterator[dict]:
        for row in results:
            files.add(row["file"])
            if "problem" in row:
                spoilt.add(row["file"])
            yield row

    if json:
        for row in counted():
            print(dumps(row))
    else:
        print_csv(counted())
    if spoilt:
        print(
            f"{len(spoilt)} of {len(files)} files have a problem: see their rows", file=sys.stderr
        )
        sys.exit(1)


def main(
    arguments: list[str] | None = None,
    *,
    name: str = "ttfs_jax.predict",
    kinds: Kinds = MODELS,
) -> None:
    """Print a table or a JSON line for one recording, CSV or JSON lines for files.

    `arguments` replace those of the command line of the module `name`, which knows some `kinds` of
    networks.
    """
    with one_line_errors(), single_precision():
        options = parse_options(PredictArguments, arguments, name=name, script="ttfs-predict")
        compilation_cache.enable()
        if bool(options.inputs) == (options.events is not None):
            raise InputError("name either one recording by --events, or files by --inputs")
        if options.events is None:
            print_rows(predict_files(options, kinds=kinds), json=options.json)
            return
        result = predict_recording(options, kinds=kinds)
        if options.json:
            print(dumps(result))
        else:
            console().print(shares_table(result))


if __name__ == "__main__":
    main()
