"""Retrain the front of a search for the chip with a baseline, and measure it in the core."""

from dataclasses import asdict
from typing import Any

import numpy as np

from hardware.xylo import specification
from hardware.xylo.rockpool.referee import simulator
from search.config import Config
from search.loop.archive import Archive
from search.loop.exploration import Search
from search.loop.run_directory import to_dict
from search.retraining import baseline
from search.spaces.xylo import XyloSpace
from search.strategies.xylo.measure import OnChip, measure_on_chip
from search.strategies.xylo.population import Inputs, XyloNetwork
from search.strategies.xylo.scores import score_network
from search.strategies.xylo.strategy import ChipStrategy
from ttfs_jax.support.errors import InputError


def options(config: Config) -> dict[str, str]:
    """Name the options that are read, and their conditions on the `config`."""
    exact = "" if "exact" in config.xylo.mappings else "--xylo.mappings exact"
    read = dict.fromkeys(("xylo.retrain", "xylo.front", "xylo.referee"), "")
    return read | {"xylo.relu_retrain": exact}


def recipes(config: Config) -> dict[str, Any]:
    """Name the recipe of native training in a `config`; others have its batches."""
    return {"xylo": config.xylo.native(config.xylo.retrain)}


def check(config: Config) -> None:
    """Check nothing more of a `config`: the strategy does it."""


def check_new(config: Config) -> None:
    """Check that a new run has the simulator that its `config` asks for. Raises: InputError."""
    if config.xylo.referee:
        try:
            simulator()
        except InputError as error:
            raise InputError(f"{error}; --xylo.no-referee leaves it out") from error


def retrain(
    search: Search[Config, XyloSpace], strategy: ChipStrategy, archives: dict[str, Archive]
) -> dict[str, Any]:
    """Retrain the front of evolution and the baseline, and measure and keep them: JSON values.

    The baseline is trained and scored like candidates, and compared with the fronts of both
    searches. It is None if it does not fit. `search` has the run's config, data and space,
    `strategy` trains and scores, and `archives` hold the candidates of both searches.
    """
    nobodys = baseline.candidate(search.space)
    (alike,), _ = strategy.evaluator.score([nobodys])
    groups = {name: archive.scores for name, archive in archives.items()}
    finalists = search.goal.finalists(archives["evolution"], search.config.xylo.front)
    candidates = [search.space.decode(genotype) for genotype in finalists]
    with search.directory.stage("retrain"):
        validated, networks = strategy.longer().score([*candidates, nobodys])
    with search.directory.stage("test"):
        *pairs, (last, scores) = zip(networks, validated, strict=True)
        converted = [(network, own) for network, own in pairs if network is not None]
        front = [
            _measure_and_keep(search, strategy, network, own, f"front/{n}")
            for n, (network, own) in enumerate(converted)
        ]
        row = last and _measure_and_keep(search, strategy, last, scores, "baseline")
    return {
        "target": search.config.target,
        "comparison": baseline.compare_searches(groups, alike, search.goal),
        "front": front,
        "not_converted_in_retraining": len(finalists) - len(front),
        "baseline": row,
    }


def _measure_and_keep(
    search: Search[Config, XyloSpace],
    strategy: ChipStrategy,
    network: XyloNetwork,
    scores: dict[str, float],
    place: str,
) -> dict[str, Any]:
    row = {
        "architecture": network.candidate.architecture,
        "validation": scores,
        "test": on_test(search, network, strategy.inputs["test"]),
    }
    keep(search, place, network, strategy.scales[network.candidate.number], row)
    return row


def on_test(
    search: Search[Config, XyloSpace], network: XyloNetwork, test: Inputs
) -> dict[str, Any]:
    """Measure a `network` on test data, in the core and in XyloSim: JSON values.

    `search` has the run's config and data, `test` the inputs and labels.
    """
    config = search.config
    outcome = measure_on_chip(network, test, classes=len(search.data.classes))
    scores, estimate = score_network(
        network, outcome.measured, config.xylo, target=config.target, goal=search.goal
    )
    columns = ("war", "uar", "decided", "step", "spikes", "latency")
    return {
        **{name: scores[name] for name in columns},
        "hardware": estimate.to_json(),
        "xylosim_differs": referee_differs(network, outcome) if config.xylo.referee else None,
    }


def referee_differs(network: XyloNetwork, outcome: OnChip) -> int:
    """Count the samples that XyloSim classifies differently from the core, or in another step.

    `outcome` is that of the `network` in the core.
    """
    from hardware.xylo.rockpool.referee import Referee

    ours, theirs = outcome.decision, Referee(network.chip).decide(outcome.events)
    return int(((ours.classes != theirs.classes) | (ours.steps != theirs.steps)).sum())


def keep(
    search: Search[Config, XyloSpace], place: str, network: XyloNetwork, full: np.ndarray, row: dict
) -> None:
    """Write a network: specification of the chip, layers, and what its inputs need.

    The folder is `place` in the run directory of `search`; `full` are the features that count as 1,
    and `row` is the network's metadata, as JSON values.
    """
    directory = search.directory
    if not directory.writes:
        return
    folder = directory.path / place
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / specification.FILE_NAME
    target.unlink(missing_ok=True)
    specification.save_specification(target, network.chip, chip=search.config.target)
    layers = [layer._asdict() for layer in network.layers]
    meta = {
        "dataset": search.data.name,
        "classes": list(search.data.classes),
        "source": dict(search.data.source),
        "image_shape": list(search.data.image_shape),
        "polarities": search.space.polarities,
        "candidate": asdict(network.candidate) | {"features": list(network.candidate.features)},
        "steps": network.steps,
        "full_scale": np.asarray(full).tolist(),
        "metrics": row,
        "config": to_dict(search.config),
    }
    directory.save(folder / "layers", layers, meta=meta)
    directory.write_json(f"{place}/network.json", meta)
