"""Measure the gain of each piece of the retrain recipe: `python -m benchmarks.ablation --json`.

One architecture, trained with the recipe and with one piece changed at a time, several seeds of
each side by side; validation accuracy of the quantised spiking network. Test data are not read.
"""

import dataclasses
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.ranking_study import shortened
from search.loop.progress import Reporter
from search.loop.run_directory import RunDirectory
from search.retraining.converted import Recipes
from search.retraining.population import Retraining
from search.spaces.registry import make_space
from ttfs_jax import datasets
from ttfs_jax.datasets import Augmentation, Dataset
from ttfs_jax.population.program import PopulationConfig
from ttfs_jax.support.command import run_command
from ttfs_jax.support.devices import use_every_core
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import check_fields, whole
from ttfs_jax.training.recipe import TrainConfig

# 3 × 3, residual, 3 × 3, residual; widths 16 and 32, head 64, 4 time bits.
GENOTYPE = (1, 3, 1, 3, 3, 3, 3, 1)


@dataclass(frozen=True)
class AblationArguments:
    """Measure the pieces of the recipe on Fashion-MNIST."""

    images: int = 12_000
    """Training images."""
    epochs: int = 6
    """Epochs of the ReLU twin; one more in spike times."""
    seeds: int = 4
    """Networks of each kind; a spread needs two."""
    only: tuple[str, ...] = ()
    """Names of the variants to measure; by default all."""
    out: Path | None = None
    """Folder of the runs, to continue later; by default a temporary one."""
    json: bool = False
    """Print one JSON line."""

    def __post_init__(self):
        check_fields(self, images=whole(1), epochs=whole(0), seeds=whole(2))


@dataclass(frozen=True)
class Variant:
    """One change of the recipe, of fine-tuning alone, if `words` say so, or of both stages."""

    words: str
    train: dict = dataclasses.field(default_factory=dict)
    fine_tune: dict = dataclasses.field(default_factory=dict)
    data: Callable[[Dataset], Dataset] = lambda data: data

    def recipes(self, base: Recipes) -> Recipes:
        """Apply the change to the `base` recipes."""
        return Recipes(
            train=dataclasses.replace(base.train, **self.train),
            fine_tune=dataclasses.replace(base.fine_tune, **self.fine_tune),
        )


def both(words: str, **change) -> Variant:
    """Make a variant that makes a `change` in training and fine-tuning alike; `words` name it."""
    return Variant(words, train=change, fine_tune=change)


def plain(data: Dataset) -> Dataset:
    """Leave the training images of the `data` as they are."""
    return dataclasses.replace(data, augmentation=Augmentation())


VARIANTS = {
    "base": Variant("the recipe: shift and mirror, cosine, smoothing 0.05, 4-bit fine-tuning"),
    "no-augmentation": Variant("without shift and mirror", data=plain),
    "no-smoothing": both("without label smoothing", label_smoothing=0.0),
    "continuous": Variant("fine-tuning in continuous time", fine_tune={"quantised": False}),
    "fixed-windows": Variant(
        "fine-tuning with windows that do not grow", fine_tune={"grow_windows": False}
    ),
    "no-fine-tuning": Variant("no fine-tuning, only converted", fine_tune={"epochs": 0}),
    "no-penalty": both("without the activity penalty", activity_penalty=0.0),
}


def base(arguments: AblationArguments) -> Recipes:
    """Return the recipes that the variants change; `arguments` give the epochs."""
    train = TrainConfig(epochs=arguments.epochs, batch_size=128, activity_penalty=0.1)
    return Recipes(train, fine_tune=dataclasses.replace(train, epochs=1, learning_rate=5e-4))


def measure_variant(
    variant: Variant, arguments: AblationArguments, data: Dataset, folder: Path, reporter: Reporter
) -> dict:
    """Train all seeds of one `variant`: JSON values.

    `arguments` give epochs and seeds, `data` the images; the run is kept in a `folder`, to
    continue, and `reporter` shows the progress.
    """
    recipes = variant.recipes(base(arguments))
    data = variant.data(data)
    space = make_space("conv-wide", data.image_shape, len(data.classes))
    directory = RunDirectory.resume_or_create(folder, recipes)
    everyone = np.arange(arguments.seeds)
    genotypes = np.tile(GENOTYPE, (arguments.seeds, 1))
    members = Retraining(
        space, genotypes, data, seed=0, layout=PopulationConfig(lanes=1, waste=0.0)
    )

    def train(name, variables, own, code):
        with reporter.bar(name, own.epochs, unit="epochs") as bar:
            return members.train(name, variables, own, code=code, directory=directory, bar=bar)[0]

    def score(variables):
        return members.measure(
            variables, everyone, data.validation.images, data.validation.labels, code="ttfs"
        )

    twins = train("retrain", members.initial(), recipes.train, "relu")
    converted = members.convert(twins, everyone)
    tuned = converted
    if recipes.fine_tune.epochs:
        tuned = train("fine_tune", converted, recipes.fine_tune, "ttfs")
    scored = score(tuned)
    return {
        "words": variant.words,
        "changed": {"train": variant.train, "fine_tune": variant.fine_tune},
        "accuracy": float(scored.war.mean()),
        "sd": float(scored.war.std(ddof=1)),
        "spikes_per_neuron": float(scored.spikes_per_neuron.mean()),
        "each": [float(war) for war in scored.war],
    }


def measure_variants(arguments: AblationArguments) -> dict:
    """Measure all variants that the `arguments` name, differences to the recipe paired by seed.

    Returns JSON values. Raises: InputError for an unknown variant.
    """
    unknown = set(arguments.only) - set(VARIANTS)
    if unknown:
        raise InputError(f"--only {', '.join(unknown)}: choose from {', '.join(VARIANTS)}")
    use_every_core()
    data = shortened(datasets.load_dataset("fashion-mnist"), arguments.images)
    names = ["base", *(n for n in arguments.only or VARIANTS if n != "base")]
    rows = {}
    with tempfile.TemporaryDirectory() as scratch, Reporter(Console(stderr=True)) as reporter:
        for name in names:
            folder = (arguments.out or Path(scratch)) / name
            rows[name] = measure_variant(VARIANTS[name], arguments, data, folder, reporter)
    for row in rows.values():
        gains = np.subtract(row["each"], rows["base"]["each"])
        row["gain"] = float(gains.mean())
        row["gain_se"] = float(gains.std(ddof=1) / np.sqrt(len(gains)))
    return {
        "benchmark": "ablation",
        "images": arguments.images,
        "epochs": arguments.epochs,
        "seeds": arguments.seeds,
        "variants": rows,
    }


def variants_table(result: dict) -> Table:
    """Lay out the result."""
    table = Table("change", "validation accuracy", "gain ± s.e.", "spikes/neuron")
    for row in result["variants"].values():
        table.add_row(
            row["words"],
            f"{row['accuracy']:.4f} ± {row['sd']:.4f}",
            f"{row['gain']:+.4f} ± {row['gain_se']:.4f}",
            f"{row['spikes_per_neuron']:.3f}",
        )
    return table


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line; `arguments` replace those of the command line."""
    run_command(
        "benchmarks.ablation", AblationArguments, measure_variants, variants_table, arguments
    )


if __name__ == "__main__":
    main()
