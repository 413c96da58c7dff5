"""Put a network into the zoo: `python -m benchmarks.reports.zoo RUN NAME --commit C --machine M`.

The network is the first of a finished run, the one chosen on validation data. With it come the
run's measurements, the command that repeats the run, and a few test images with their logits.
"""

import shlex
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from search import evolve
from search.config import Config
from search.loop.run_directory import read_metrics
from search.saved_config import read_config
from ttfs_jax import datasets, zoo
from ttfs_jax.model import Model, load, save_model
from ttfs_jax.support.command import run_command
from ttfs_jax.support.errors import InputError
from ttfs_jax.zoo import EXAMPLES, Examples

COUNT = 8  # images kept with a network
LARGEST = 1_000_000  # bytes of a network with its images: all are in every installation
LETTERS = set("abcdefghijklmnopqrstuvwxyz0123456789-")
PROGRAM = "python -m search.evolve"


@dataclass(frozen=True)
class ZooArguments:
    """Put the network of a finished run into the zoo, in place of one of that name."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of a finished run in a space of convolutional networks, made by a preset."""
    name: Annotated[str, tyro.conf.Positional]
    """Name in the zoo: small letters, digits and hyphens."""
    commit: str
    """Commit of this project that the run was made at."""
    machine: str
    """Description of the machine of the run."""
    json: bool = False
    """Print one JSON line."""


def command_of(config: Config) -> str:
    """Return the command that makes a run with this `config`, DIR for its folder.

    Raises: InputError if data set, preset and seed do not determine it.
    """
    words = f"--data {config.data} --preset {config.preset} --seed {config.seed} --run-dir DIR"
    if evolve.parse(shlex.split(words)).config != config:
        raise InputError(
            f"the run has other options than {PROGRAM} {words}: the zoo takes runs of presets"
        )
    return f"{PROGRAM} {words}"


def zoo_model(arguments: ZooArguments) -> Model:
    """Load the network of the run that the `arguments` name, with `meta["run"]` about the run.

    Raises: InputError for a run that is not finished, whose network failed its proof, or whose
    options are not those of a preset.
    """
    metrics, config = read_metrics(arguments.run), read_config(arguments.run)
    best = load(arguments.run / "best" / "0")
    if failures := best.meta["metrics"]["identity"]["failures"]:
        raise InputError(f"the network of {arguments.run} failed its proof: {failures[0]}")
    origin = {
        "command": command_of(config),
        "commit": arguments.commit,
        "machine": arguments.machine,
        "seed": config.seed,
        "split_seed": config.split_seed,
        "environment": metrics["environment"],
        "seconds": metrics["seconds"],
    }
    return replace(best, meta={**best.meta, "run": origin})


def make_examples(model: Model, config: Config) -> Examples:
    """Compute the logits of the first test images of a run's data, by its `config` and `model`."""
    data = datasets.load_dataset(config.data, config.data_options, split_seed=config.split_seed)
    images, labels = data.test.images[:COUNT], data.test.labels[:COUNT]
    both = (np.asarray(model(images, code=code)) for code in ("ttfs", "relu"))
    return Examples(np.asarray(images), np.asarray(labels), *both)


def add_network(arguments: ZooArguments) -> dict[str, Any]:
    """Put the network that the `arguments` name into the zoo: JSON values about it.

    Raises: InputError for a name with other letters, a network that is too large, and as
    `zoo_model`.
    """
    if not arguments.name or set(arguments.name) - LETTERS:
        raise InputError(f"a name has small letters, digits and hyphens: change {arguments.name!r}")
    model = zoo_model(arguments)
    examples = make_examples(model, read_config(arguments.run))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / arguments.name
        save_model(folder, model)
        np.savez_compressed(folder / EXAMPLES, **examples._asdict())
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if size > LARGEST:
            raise InputError(f"the network takes {size} bytes of at most {LARGEST}: shrink it")
        place = zoo.FOLDER / arguments.name
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder, place)
    return {"benchmark": "zoo", "name": arguments.name, "bytes": size, "row": page_row(place)}


def page_row(folder: Path) -> str:
    """Return the row of docs/zoo.md for the network in a `folder`, as Markdown.

    Accuracy on test data (WAR) as shipped, of its ReLU twin and before fine-tuning; clip rate;
    spikes per neuron; parameters; seed and commit.
    """
    meta = load(folder).meta
    metrics, run = meta["metrics"], meta["run"]
    accuracies = (
        metrics["ttfs"],
        metrics["relu"],
        metrics["before_fine_tuning"]["ttfs"],
    )
    cells = [
        f"`zoo:{folder.name}`",
        meta["dataset"],
        *(f"{accuracy['war']:.4f}" for accuracy in accuracies),
        f"{metrics['clip_rate']:.1g}",
        f"{metrics['spikes_per_neuron']:.3f}",
        f"{metrics['params']:,}",
        f"{run['seed']}, {run['commit']}",
    ]
    return f"| {' | '.join(cells)} |"


def describe_network(result: dict[str, Any]) -> str:
    """Say what `result` of `add_network` added; its JSON line has the row for the page."""
    return f"zoo:{result['name']}: {result['bytes']:,} bytes; add its `row` to docs/zoo.md"


def main(arguments: list[str] | None = None) -> None:
    """Print what was added, or a JSON line; `arguments` replace those of the command line."""
    run_command("benchmarks.reports.zoo", ZooArguments, add_network, describe_network, arguments)


if __name__ == "__main__":
    main()
