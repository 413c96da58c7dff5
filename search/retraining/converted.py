"""Retrain the best of each search as ReLU networks, convert them, and fine-tune in spike times."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from search.config import Config
from search.loop.archive import Archive
from search.loop.exploration import Search
from search.loop.run_directory import to_dict
from search.retraining import measurement
from search.retraining.halving import rungs
from search.retraining.population import Retraining
from search.spaces.convolutional import Space
from ttfs_jax.model import Model
from ttfs_jax.network import conversion
from ttfs_jax.network.masked import Variables
from ttfs_jax.population.program import pick
from ttfs_jax.support.errors import InputError
from ttfs_jax.training.config import TrainConfig

RETRAIN = 3  # stream of randomness; those of the strategy are below
# Folders of the networks of each search.
FOLDERS = {"evolution": "best", "random": "random_search"}


# Windows of the equality proof over the largest activation in calibration: large enough that few
# neurons are clipped on test data, so that both codes can be compared.
IDENTITY_MARGIN = 1.5


@dataclass(frozen=True)
class Recipes:
    """How the best are trained, one after the other."""

    train: TrainConfig
    """As ReLU twins."""
    fine_tune: TrainConfig
    """In spike times."""


def both_recipes(config: Config) -> Recipes:
    """Build the recipes of both training stages of a `config`."""
    retrain = config.retrain
    stages = (retrain.train, retrain.fine_tune)
    return Recipes(
        *(config.train.recipe(s, retrain.batch_size, retrain.activity_penalty) for s in stages)
    )


def options(config: Config) -> dict[str, str]:
    """Name the options that are read, for any `config`."""
    return {"train": "", "retrain": ""}


def recipes(config: Config) -> dict[str, Any]:
    """Name a recipe of training in a `config` by its options: both have the same batches."""
    return {"retrain": both_recipes(config).train}


def check(config: Config) -> None:
    """Check options of a `config` before data are loaded. Raises: InputError naming one."""
    budget = config.evolution.population * config.evolution.generations
    if config.retrain.top > budget:
        raise InputError(
            f"--evolution.population × --evolution.generations is {budget}: it must be at least "
            f"--retrain.top {config.retrain.top}"
        )


def check_new(config: Config) -> None:
    """Check nothing more before a new run: no `config` needs it."""


def retrain(
    search: Search[Config, Space], strategy: Any, archives: dict[str, Archive]
) -> dict[str, Any]:
    """Train, convert, prove, fine-tune and measure the best: rows of metrics.json.

    They are listed by search, as in `archives`, the candidates of each; the `strategy` is not used,
    since members start from fresh weights. Models are ranked on validation data; the test data are
    used once, by networks that no longer change. `search` has the run's config, data and space.
    """
    top = search.config.retrain.top
    genotypes = {name: search.goal.finalists(one, top) for name, one in archives.items()}
    groups = np.repeat(np.arange(len(genotypes)), [len(few) for few in genotypes.values()])
    members = Retraining(
        search.space,
        np.concatenate(list(genotypes.values())),
        search.data,
        search.seed(RETRAIN),
        layout=search.config.retrain.population,
        groups=groups,
    )
    stages = _Stages(search, members, groups)
    with search.directory.stage("retrain"):
        twins, survivors = stages.train_twins(len(genotypes["evolution"]))
    with search.directory.stage("fine_tune"):
        exact, tuned = stages.fine_tune(twins, survivors)
    with search.directory.stage("test"):
        ranked = stages.measure(exact, tuned, survivors)
    return {
        "best": ranked["evolution"],
        "random_search": ranked["random"],
        "identity": ranked["evolution"][0]["identity"],
        "retrained": {
            "members": members.members,
            "to_the_end": len(survivors),
            "masked_waste": members.waste,
        },
    }


@dataclass(frozen=True)
class _Stages:
    """The stages of the members of one population."""

    search: Search[Config, Space]
    members: Retraining
    groups: np.ndarray  # [P] number of the search that a member comes from

    def train_twins(self, of_evolution: int) -> tuple[Variables, np.ndarray]:
        """Train all as ReLU networks; return them [P, ...], and those that reached the end."""
        recipe = both_recipes(self.search.config).train
        return self._train(
            "retrain",
            self.members.initial(),
            recipe,
            "relu",
            rungs=rungs(of_evolution, recipe.epochs, self.search.config.retrain.halving),
            rank=self._rank,
        )

    def fine_tune(self, twins: Variables, survivors: np.ndarray) -> tuple[Variables, Variables]:
        """Convert all, and fine-tune the survivors in spike times: both stacks [P, ...]."""
        recipe, members = both_recipes(self.search.config).fine_tune, self.members
        everyone = np.arange(members.members)
        exact = members.convert(twins, everyone, margin=IDENTITY_MARGIN)
        shorter = members.convert(twins, everyone)
        tuned, _ = self._train("fine_tune", shorter, recipe, "ttfs", alive=survivors)
        return exact, jax.tree.map(np.asarray, jax.jit(jax.vmap(conversion.fold))(tuned))

    def measure(
        self, exact: Variables, tuned: Variables, survivors: np.ndarray
    ) -> dict[str, list[dict[str, Any]]]:
        """Measure the survivors once on test data, and keep them: rows by search, best first."""
        rows = measurement.measured_rows(
            self.search, self.members, pick(exact, survivors), pick(tuned, survivors), survivors
        )
        ranked = {}
        for group, (name, folder) in enumerate(FOLDERS.items()):
            own = np.flatnonzero(self.groups[survivors] == group)
            order = sorted(own, key=lambda n: -sum(rows[n]["validation"].values()))
            ranked[name] = [rows[n] for n in order]
            for place, n in enumerate(order):
                model = self._model(survivors[n], pick(tuned, survivors[n]), rows[n])
                self.search.directory.save_model(f"{folder}/{place}", model)
        return ranked

    def _train(self, name, variables, recipe, code, **options):
        with self.search.reporter.bar(name, recipe.epochs, unit="epochs") as bar:
            return self.members.train(
                name,
                variables,
                recipe,
                code=code,
                directory=self.search.directory,
                bar=bar,
                **options,
            )

    def _rank(self, twins: Variables, chosen: np.ndarray) -> np.ndarray:
        """Score members in spike times on validation data: [M]."""
        spiking = self.members.convert(twins, chosen)
        validation = self.search.data.validation
        measured = self.members.measure(
            spiking, chosen, validation.images, validation.labels, code="ttfs"
        )
        return np.asarray(measured.war + measured.uar)

    def _model(self, index: int, variables: Variables, row: dict) -> Model:
        """Make a model of a trained member and its metadata."""
        data, members = self.search.data, self.members
        meta = {
            "dataset": data.name,
            "classes": list(data.classes),
            "source": dict(data.source),
            "metrics": row,
            "config": to_dict(self.search.config),
        }
        return Model(members.network.plan, pick(members.architectures, index), variables, meta)
