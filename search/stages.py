"""The three stages of a run in order, from data to measured networks. Holds no maths."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from search.config import Config
from search.loop.archive import Archive
from search.loop.exploration import Search, explore
from search.loop.run_directory import environment, to_dict
from search.retraining import measurement
from search.retraining.halving import rungs
from search.retraining.population import Retraining
from search.spaces.convolutional import Space
from search.strategies.inherited.scores import FIELDS, make_evaluator
from search.strategies.inherited.supernet import make_supernet, place
from ttfs_jax.model import Model
from ttfs_jax.network import conversion
from ttfs_jax.network.masked import Network, Variables, initialise
from ttfs_jax.population.program import pick

# Each purpose has its own stream of randomness, so that stages can be resumed on their own.
SUPERNET, EVOLUTION, RANDOM, RETRAIN = range(4)
# Where the networks of each search are kept.
FOLDERS = {"evolution": "best", "random": "random_search"}


def train_supernet(search: Search[Config, Space], network: Network) -> Variables:
    """Stage 1: train the shared weights; a checkpoint is kept after every pass."""
    config = search.config.supernet
    images, labels = (
        jnp.asarray(search.data.train.images),
        jnp.asarray(search.data.train.labels),
    )
    augmentation = vars(search.data.augmentation)
    recipe = make_supernet(network, search.space, config, samples=len(images), **augmentation)
    seed = search.seed(SUPERNET)
    state = recipe.init(initialise(network, jax.random.key(seed)))
    path, first = search.directory.checkpoint("supernet"), 0
    if found := search.directory.restore(path, lambda _: state):
        state, meta = found
        first = meta["epoch"]
    one_pass = jax.jit(recipe.epoch)
    state, images, labels = place((state, images, labels), config)
    total = config.train.epochs
    with search.reporter.bar("supernet", total, done=first, unit="epochs") as bar:
        for epoch in range(first, total):
            state, loss = one_pass(state, images, labels, jnp.asarray(seed, jnp.uint32))
            bar.advance(1, f"loss {float(loss):.3f}")
            search.directory.save(path, state, meta={"epoch": epoch + 1})
            search.directory.log.info("supernet epoch %d: loss %.4f", epoch + 1, float(loss))
    return state.variables


def search_architectures(
    search: Search[Config, Space], network: Network, variables: Variables
) -> tuple[Archive, Archive]:
    """Stage 2: evolution, then random search with the same budget, on validation data."""
    config, data = search.config.evolution, search.data
    limit = config.validation_images
    score = make_evaluator(
        network,
        search.space,
        config,
        calibration=data.train.images[: config.calibration_images],
        images=data.validation.images[:limit],
        labels=data.validation.labels[:limit],
    )
    archives = explore(
        search,
        lambda genotypes: score(variables, genotypes),
        purposes={"evolution": EVOLUTION, "random": RANDOM},
        fields=FIELDS,
        population=search.config.evolution.population,
        generations=search.config.evolution.generations,
    )
    return archives["evolution"], archives["random"]


def retrain(
    search: Search[Config, Space], genotypes: dict[str, np.ndarray], supernet: Variables
) -> dict[str, Any]:
    """Stage 3: train, convert, prove, fine-tune and measure; returns the rows of metrics.json.

    `genotypes` are the best of every search by name, as many of each. Models are ranked on
    validation data; the test data are touched once, by networks that do not change any more.
    """
    config, data, directory = search.config.retrain, search.data, search.directory
    groups = np.repeat(np.arange(len(genotypes)), [len(few) for few in genotypes.values()])
    members = Retraining(
        search.space,
        np.concatenate(list(genotypes.values())),
        config,
        data,
        search.seed(RETRAIN),
        groups=groups,
    )
    everyone = np.arange(members.members)

    def train(name, variables, recipe, code, **options):
        with search.reporter.bar(name, recipe.epochs, unit="epochs") as bar:
            return members.train(
                name, variables, recipe, code=code, directory=directory, bar=bar, **options
            )

    def rank(twins, chosen):
        spiking = members.convert(twins, chosen, margin=config.window_margin)
        images, labels = data.validation.images, data.validation.labels
        measured = members.measure(spiking, chosen, images, labels, code="ttfs")
        return measured.war + measured.uar

    with directory.stage("retrain"):
        teacher = members.supernet_logits(supernet) if config.train.distil else None
        twins, survivors = train(
            "retrain",
            members.initial(),
            config.train,
            "relu",
            teacher=teacher,
            rungs=rungs(len(genotypes["evolution"]), config.train.epochs, config.halving),
            rank=rank,
        )
    with directory.stage("fine_tune"):
        exact = members.convert(twins, everyone, margin=config.identity_margin)
        if config.fine_tune.distil and config.teacher == "ensemble":
            # The control's networks must not teach.
            teachers = survivors[groups[survivors] == 0]
            teacher = members.ensemble_logits(pick(exact, teachers), teachers)
        elif config.fine_tune.distil:
            teacher = members.supernet_logits(supernet)
        shorter = members.convert(twins, everyone, margin=config.window_margin)
        tuned, _ = train(
            "fine_tune", shorter, config.fine_tune, "ttfs", teacher=teacher, alive=survivors
        )
        tuned = jax.tree.map(np.asarray, jax.jit(jax.vmap(conversion.fold))(tuned))
    with directory.stage("test"):
        rows = measurement.rows(
            search, members, pick(exact, survivors), pick(tuned, survivors), survivors
        )
        ranked = {}
        for group, (name, folder) in enumerate(FOLDERS.items()):
            own = np.flatnonzero(groups[survivors] == group)
            order = sorted(own, key=lambda n: -sum(rows[n]["validation"].values()))
            ranked[name] = [rows[n] for n in order]
            for place, n in enumerate(order):
                model = _model(search, members, survivors[n], pick(tuned, survivors[n]), rows[n])
                directory.save_model(f"{folder}/{place}", model)
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


def _model(
    search: Search[Config, Space], members: Retraining, index: int, variables: Variables, row: dict
) -> Model:
    """Put a trained member together with what is known of it."""
    data = search.data
    meta = {
        "dataset": data.name,
        "classes": list(data.classes),
        "source": dict(data.source),
        "metrics": row,
        "config": to_dict(search.config),
    }
    return Model(members.network.spec, pick(members.architectures, index), variables, meta)


def run(search: Search[Config, Space]) -> dict[str, Any]:
    """Go through the stages of the run that are left, and write metrics.json."""
    network = Network(search.space.spec)
    with search.directory.stage("supernet"):
        variables = train_supernet(search, network)
    found, control = search_architectures(search, network, variables)
    top = search.config.retrain.top
    genotypes = {"evolution": found.best(top), "random": control.best(top)}
    rows = retrain(search, genotypes, variables)
    metrics = {
        "dataset": search.data.name,
        "space": {"name": search.space.name, "size": search.space.size},
        "algorithm": search.config.evolution.algorithm,
        "seed": search.config.seed,
        "architectures_evaluated": len(found),
        "random_architectures_evaluated": len(control),
        **rows,
        "seconds": search.directory.seconds,
        "environment": environment(),
    }
    search.directory.write_metrics(metrics)
    return metrics
