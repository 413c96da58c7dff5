"""A run of `--space xylo`: a Pareto search through the integer core, retraining, the test."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from hardware.xylo import specification
from search.config import Config
from search.loop import pareto
from search.loop.archive import Archive
from search.loop.exploration import Search, explore
from search.loop.run_directory import environment, to_dict
from search.retraining import baseline as xylo_baseline
from search.spaces.xylo import XyloSpace
from search.strategies.xylo.evaluation import Evaluator, Populations
from search.strategies.xylo.exact import ExactPopulation
from search.strategies.xylo.measure import OnChip, measure
from search.strategies.xylo.population import (
    Inputs,
    NativePopulation,
    Network,
    full_scales,
    make_inputs,
)
from search.strategies.xylo.scores import FIELDS, costs, objective_names, score, volume_costs
from ttfs_jax.support.errors import InputError

# Each purpose has its own stream of randomness; those of `stages` are below 10.
EVOLUTION, RANDOM, TRAIN, RETRAIN = range(10, 14)


def search_networks(search: Search[Config, XyloSpace], evaluate: Evaluator) -> dict[str, Archive]:
    """Search by NSGA-II, then at random with the same budget, on validation data."""
    objectives = objective_names(search.config.objectives)

    def judge(scores):
        # What was not trained has no costs; beyond the limits only the violation counts.
        beyond = scores["violations"] > 0
        told = np.where(beyond[:, None], 0.0, costs(scores, objectives))
        return np.column_stack([told, scores["violations"]])

    def describe(archive):
        marked = pareto.front(costs(archive.scores, objectives), archive.scores["violations"])
        return f"{marked.sum()} on the front"

    return explore(
        search,
        evaluate,
        purposes={"evolution": EVOLUTION, "random": RANDOM},
        fields=FIELDS,
        population=search.config.evolution.population,
        generations=search.config.evolution.generations,
        judge=judge,
        describe=describe,
    )


def along_the_front(archive: Archive, objectives: list[str], most: int) -> np.ndarray:
    """Choose genotypes of the front, at most so many, evenly by energy: [n, G]."""
    scores = archive.scores
    rows = np.flatnonzero(pareto.front(costs(scores, objectives), scores["violations"]))
    rows = rows[np.argsort(scores["energy"][rows], kind="stable")]
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))
    return archive.genotypes[rows[chosen]]


def volumes(objectives: list[str], groups: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Measure the hypervolumes of the fronts of several searches in one box, see `volume_costs`.

    The box reaches from the best of each objective on any front to recalls of 0, and to a tenth of
    the range beyond the largest energy and latency on any front, so that the worst point counts.
    """
    within = {
        name: volume_costs(scores, objectives)[
            pareto.front(costs(scores, objectives), scores["violations"])
        ]
        for name, scores in groups.items()
    }
    seen = np.concatenate(list(within.values()))
    ideal, worst = seen.min(0), seen.max(0)
    beyond = worst + np.maximum(0.1 * (worst - ideal), 1e-3)
    reference = np.where([name in ("war", "uar") for name in objectives], 1.0, beyond)
    ideal = np.minimum(ideal, reference - 1e-3)
    return {
        name: pareto.hypervolume(points, ideal=ideal, reference=reference)
        for name, points in within.items()
    }


def on_test(search: Search[Config, XyloSpace], network: Network, test: Inputs) -> dict[str, Any]:
    """Measure a network on test data, in the core and in XyloSim: JSON values."""
    config = search.config
    did = measure(network, test, classes=len(search.data.classes))
    scores, found = score(network, did.measured, config.xylo, target=config.target)
    named = ("war", "uar", "decided", "step", "spikes", "latency")
    return {
        **{name: scores[name] for name in named},
        "hardware": found.to_json(),
        "xylosim_differs": referee_differs(network, did) if config.xylo.referee else None,
    }


def referee_differs(network: Network, did: OnChip) -> int:
    """Count the samples that XyloSim classifies otherwise than the core, or in another step."""
    from hardware.xylo.rockpool.referee import Referee

    ours, theirs = did.decision, Referee(network.chip).decide(did.events)
    return int(((ours.classes != theirs.classes) | (ours.steps != theirs.steps)).sum())


def keep(
    search: Search[Config, XyloSpace], place: str, network: Network, full: np.ndarray, row: dict
) -> None:
    """Write a network: specification of the chip, layers, and what a user needs to feed it."""
    directory = search.directory
    if not directory.writes:
        return
    folder = directory.path / place
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "specification.npz"
    target.unlink(missing_ok=True)
    specification.save(target, network.chip, chip=search.config.target)
    layers = [layer._asdict() for layer in network.layers]
    meta = {
        "dataset": search.data.name,
        "classes": list(search.data.classes),
        "polarities": search.space.polarities,
        "candidate": asdict(network.candidate) | {"features": list(network.candidate.features)},
        "steps": network.steps,
        "full_scale": np.asarray(full).tolist(),
        "metrics": row,
        "config": to_dict(search.config),
    }
    directory.save(folder / "layers", layers, meta=meta)
    directory.write_json(f"{place}/network.json", meta)


def retrain(
    search: Search[Config, XyloSpace],
    evaluate: Evaluator,
    chosen: np.ndarray,
    inputs: dict[str, Inputs],
    scales: Sequence[np.ndarray],
) -> dict[str, Any]:
    """Retrain genotypes [n, G] and the baseline, measure them on test data, keep them: JSON values.

    The baseline is None if it does not fit.
    """
    candidates = [search.space.decode(genotype) for genotype in chosen]
    candidates.append(xylo_baseline.candidate(search.space))
    with search.directory.stage("retrain"):
        validated, networks = evaluate.score(candidates)

    def measure_and_keep(network, scores, place):
        row = {
            "architecture": network.candidate.architecture,
            "validation": scores,
            "test": on_test(search, network, inputs["test"]),
        }
        keep(search, place, network, scales[network.candidate.number], row)
        return row

    with search.directory.stage("test"):
        pairs = zip(networks[:-1], validated[:-1], strict=True)
        converted = [(network, scores) for network, scores in pairs if network is not None]
        front = [
            measure_and_keep(network, scores, f"front/{n}")
            for n, (network, scores) in enumerate(converted)
        ]
        baseline = None
        if networks[-1] is not None:
            baseline = measure_and_keep(networks[-1], validated[-1], "baseline")
    return {
        "front": front,
        "not_converted_in_retraining": len(chosen) - len(converted),
        "baseline": baseline,
    }


def run(search: Search[Config, XyloSpace]) -> dict[str, Any]:
    """Go through the stages of the run that are left, and write metrics.json."""
    space = search.space
    config, objectives = search.config.xylo, objective_names(search.config.objectives)
    scales = full_scales(space, search.data)
    inputs = make_inputs(space, search.data, scales)

    def evaluator(native, relu, purpose):
        options = {"classes": space.classes, "widest": space.widest}
        populations = Populations(
            NativePopulation(inputs, native, **options),
            ExactPopulation(inputs, relu, chip=search.config.target, **options),
        )
        return Evaluator(search, populations, purpose)

    evaluate = evaluator(config.train, config.relu, TRAIN)
    archives = search_networks(search, evaluate)
    (baseline,), _ = evaluate.score([xylo_baseline.candidate(space)])
    groups = {name: archive.scores for name, archive in archives.items()}
    chosen = along_the_front(archives["evolution"], objectives, config.front)
    if not len(chosen):
        raise InputError(
            f"no candidate fits {search.config.target} and the budgets: raise "
            "--xylo.max-energy-uj or --xylo.max-latency-ms, or choose another --target"
        )
    longer = evaluator(config.retrain, config.relu_retrain, RETRAIN)
    metrics = {
        "dataset": search.data.name,
        "space": {"name": space.name, "size": space.size},
        "algorithm": search.config.evolution.algorithm,
        "objectives": objectives,
        "seed": search.config.seed,
        "target": search.config.target,
        "architectures_evaluated": len(archives["evolution"]),
        "random_architectures_evaluated": len(archives["random"]),
        "hypervolume": volumes(objectives, groups),
        "comparison": xylo_baseline.compare_all(groups, baseline, objectives),
        **retrain(search, longer, chosen, inputs, scales),
        "seconds": search.directory.seconds,
        "environment": environment(),
    }
    search.directory.write_metrics(metrics)
    return metrics
