"""The three stages of a run in order, from data to measured networks. Holds no maths."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hardware.counts import count
from hardware.targets import target, workload
from search import evolution
from search.config import to_dict
from search.exploration import Search, explore
from search.fitness import make_evaluator
from search.halving import rungs
from search.retrain import Retraining
from search.run_directory import HISTORY, METRICS, environment
from search.space import Space
from search.supernet import make_supernet
from ttfs_jax import identity, protocol
from ttfs_jax.model import Model
from ttfs_jax.network import Network, Variables, initialise
from ttfs_jax.population import pick

# Each purpose has its own stream of randomness, so that stages can be resumed on their own.
SUPERNET, EVOLUTION, RANDOM, RETRAIN = range(4)


def train_supernet(search: Search[Space], network: Network) -> Variables:
    """Stage 1: train the shared weights; a checkpoint is kept after every pass."""
    config = search.config.supernet
    images, labels = (
        jnp.asarray(search.data.train.images),
        jnp.asarray(search.data.train.labels),
    )
    augmentation = vars(search.data.augmentation)
    recipe = make_supernet(network, search.space, config, samples=len(images), **augmentation)
    seed = search.seed(SUPERNET)
    state = recipe.init(jax.jit(initialise, static_argnums=0)(network, jax.random.key(seed)))
    path, first = search.directory.checkpoint("supernet"), 0
    if found := search.directory.restore(path, lambda _: state):
        state, meta = found
        first = meta["epoch"]
    one_pass = jax.jit(recipe.epoch)
    total = config.train.epochs
    with search.reporter.bar("supernet", total, done=first, unit="epochs") as bar:
        for epoch in range(first, total):
            state, loss = one_pass(state, images, labels, jnp.asarray(seed, jnp.uint32))
            bar.advance(1, f"loss {float(loss):.3f}")
            search.directory.save(path, state, meta={"epoch": epoch + 1})
            search.directory.log.info("supernet epoch %d: loss %.4f", epoch + 1, float(loss))
    return state.variables


def search_architectures(
    search: Search[Space], network: Network, variables: Variables
) -> tuple[evolution.Archive, evolution.Archive]:
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
    )
    return archives["evolution"], archives["random"]


def retrain(search: Search[Space], genotypes: np.ndarray, supernet: Variables) -> dict[str, Any]:
    """Stage 3: train, convert, prove, fine-tune and measure; returns the rows of metrics.json.

    The last genotype is the best of random search. Models are ranked on validation data; the
    test data are touched once, by networks that do not change any more.
    """
    config, data, directory = search.config.retrain, search.data, search.directory
    members = Retraining(search.space, genotypes, config, data, search.seed(RETRAIN))
    everyone = np.arange(len(genotypes))

    def train(name, variables, recipe, code, **options):
        with search.reporter.bar(name, recipe.epochs, unit="epochs") as bar:
            return members.train(
                name, variables, recipe, code=code, directory=directory, bar=bar, **options
            )

    def validate(variables, chosen):
        measured = members.measure(
            variables, chosen, data.validation.images, data.validation.labels, code="ttfs"
        )
        return measured.war + measured.uar

    def rank(twins, chosen):
        return validate(members.convert(twins, chosen, margin=config.window_margin), chosen)

    with directory.stage("retrain"):
        teacher = members.supernet_logits(supernet) if config.train.distil else None
        twins, left = train(
            "retrain",
            members.initial(),
            config.train,
            "relu",
            teacher=teacher,
            rungs=rungs(len(genotypes) - 1, config.train.epochs, config.halving),
            rank=rank,
        )
    with directory.stage("fine_tune"):
        exact = members.convert(twins, everyone, margin=config.identity_margin)
        if config.fine_tune.distil and config.teacher == "ensemble":
            teacher = members.ensemble_logits(pick(exact, left), left)
        elif config.fine_tune.distil:
            teacher = members.supernet_logits(supernet)
        shorter = members.convert(twins, everyone, margin=config.window_margin)
        tuned, _ = train(
            "fine_tune", shorter, config.fine_tune, "ttfs", teacher=teacher, alive=left
        )
        tuned = jax.tree.map(np.asarray, jax.jit(jax.vmap(identity.fold))(tuned))
    with directory.stage("test"):
        rows = measure_rows(search, members, pick(exact, left), pick(tuned, left), left)
        ranked = sorted(range(len(rows) - 1), key=lambda n: -sum(rows[n]["validation"].values()))
        for place, n in enumerate([*ranked, len(rows) - 1]):
            name = f"best/{place}" if n < len(rows) - 1 else "random_search"
            meta = {
                "dataset": data.name,
                "classes": list(data.classes),
                "source": dict(data.source),
                "metrics": rows[n],
                "config": to_dict(search.config),
            }
            own = pick(members.architectures, left[n])
            model = Model(members.network.spec, own, pick(tuned, left[n]), meta)
            directory.save_model(name, model)
    return {
        "best": [rows[n] for n in ranked],
        "identity": rows[ranked[0]]["identity"],
        "random_search": rows[-1],
        "retrained": {
            "members": len(genotypes),
            "to_the_end": len(left),
            "masked_waste": members.waste,
        },
    }


def measure_rows(
    search: Search[Space], members: Retraining, exact: Variables, tuned: Variables, left: np.ndarray
) -> list[dict[str, Any]]:
    """Measure the members `left` on validation and test data: a row of metrics.json each."""
    data = search.data

    def measure(variables, split, code):
        return members.measure(variables, left, split.images, split.labels, code=code)

    validated = measure(tuned, data.validation, "ttfs")
    relu, ttfs = measure(exact, data.test, "relu"), measure(tuned, data.test, "ttfs")
    rows = []
    for n, index in enumerate(left):
        genotype, architecture = members.genotypes[index], pick(members.architectures, index)
        report = identity.compare(
            members.network, pick(exact, n), architecture, jnp.asarray(data.test.images)
        )
        measured = pick(ttfs, n)
        counts = count(members.network.spec, architecture, measured)
        asked = workload(members.network.spec, architecture, measured)
        rows.append(
            {
                "genotype": genotype.tolist(),
                "architecture": search.space.describe(genotype),
                "validation": _recalls(pick(validated, n)),
                "relu": _recalls(pick(relu, n)),
                "ttfs": _recalls(pick(ttfs, n)),
                "spikes_per_neuron": float(ttfs.spikes_per_neuron[n]),
                "synops": float(counts.synops),
                "params": int(counts.params),
                "clip_rate": float(ttfs.clip_rate[n]),
                "protocol": protocol.score(
                    ttfs.predictions[n], data.test.labels, data.classes, data.test.columns
                ),
                "identity": report._asdict(),
                "hardware": target(search.config.target).estimate(asked).to_json(),
            }
        )
    return rows


def run(search: Search[Space]) -> dict[str, Any]:
    """Run all stages, or what is left of them, and write metrics.json."""
    network = Network(search.space.spec)
    with search.directory.stage("supernet"):
        variables = train_supernet(search, network)
    found, control = search_architectures(search, network, variables)
    genotypes = np.concatenate([found.best(search.config.retrain.top), control.best(1)])
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
    search.directory.write_json(METRICS, metrics)
    search.directory.log.info("done: %s and %s written", METRICS, HISTORY)
    return metrics


def _recalls(measured) -> dict[str, float]:
    return {"war": float(measured.war), "uar": float(measured.uar)}
