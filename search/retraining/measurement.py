"""Measurements of the retrained networks: a row of metrics.json each.

Three networks are never mixed: the one *before fine-tuning*, on which the equality of the two codes
(`relu` and `ttfs`) is proved; the one *shipped*, in spike times; and the shipped one's own ReLU
reading.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hardware.targets import target, workload
from search.config import Config
from search.loop.exploration import Search
from search.retraining.population import Retraining
from search.spaces.convolutional import Space
from ttfs_jax.evaluation import identity, protocol
from ttfs_jax.network.counts import count
from ttfs_jax.network.masked import Variables
from ttfs_jax.network.timeline import make_timeline
from ttfs_jax.population.program import pick
from ttfs_jax.tasks import Measured
from ttfs_jax.tasks.recall import unweighted_average_recall, weighted_average_recall


def measured_rows(
    search: Search[Config, Space],
    members: Retraining,
    exact: Variables,
    tuned: Variables,
    survivors: np.ndarray,
) -> list[dict[str, Any]]:
    """Measure the members `survivors` [M] on validation and test data: a row of JSON values each.

    `search` has the run's data and target. `exact` [M, ...] are their variables before fine-tuning,
    `tuned` those shipped.
    """
    data = search.data
    validated = members.measure(
        tuned, survivors, data.validation.images, data.validation.labels, code="ttfs"
    )
    before_relu, shipped_relu = _measure_on_test(
        members, (exact, tuned), survivors, data, code="relu"
    )
    before, continuous, shipped = _measure_on_test(
        members,
        (exact, tuned, tuned),
        survivors,
        data,
        code="ttfs",
        continuous=np.repeat([True, True, False], len(survivors)),
    )
    result = []
    for n, index in enumerate(survivors):
        genotype, architecture = members.genotypes[index], pick(members.architectures, index)
        report = identity.compare(
            members.network, pick(exact, n), architecture, jnp.asarray(data.test.images)
        )
        own = pick(shipped, n)
        result.append(
            {
                "genotype": genotype.tolist(),
                "architecture": search.space.describe(genotype),
                "validation": _recalls(pick(validated, n)),
                "before_fine_tuning": {
                    "relu": _recalls(pick(before_relu, n)),
                    "ttfs": _recalls(pick(before, n)),
                },
                "identity": {**report._asdict(), "failures": list(report.failures)},
                **_shipped(own, pick(continuous, n), pick(shipped_relu, n)),
                **_cost(members, pick(tuned, n), architecture, own, search.config.target),
                "protocol": protocol.score_draws(
                    own.predictions, data.test.labels, data.classes, data.test.columns
                ),
            }
        )
    return result


def _measure_on_test(
    members, stacks, survivors, data, *, code, continuous: Any = False
) -> list[Measured]:
    """Measure several stacks [M, ...] of variables of the same members in one program."""
    together = jax.tree.map(lambda *leaves: np.concatenate(leaves), *stacks)
    measured = members.measure(
        together,
        np.tile(survivors, len(stacks)),
        data.test.images,
        data.test.labels,
        code=code,
        continuous=continuous,
    )
    size = len(survivors)
    return [pick(measured, slice(n * size, (n + 1) * size)) for n in range(len(stacks))]


def _shipped(quantised: Measured, continuous: Measured, relu: Measured) -> dict[str, Any]:
    """Describe the network shipped in all of its readings, and the accuracy lost to time steps."""
    first = quantised.first_spike_confusion
    return {
        "ttfs": _recalls(quantised),
        "ttfs_continuous": _recalls(continuous),
        "relu": _recalls(relu),
        "first_spike": {
            "war": float(weighted_average_recall(first)),
            "uar": float(unweighted_average_recall(first)),
        },
        "lost_to_time_steps": {
            name: value - _recalls(quantised)[name] for name, value in _recalls(continuous).items()
        },
        "agreement_with_relu": float(np.mean(quantised.predictions == relu.predictions)),
        "clip_rate": float(quantised.clip_rate),
        "spikes_per_neuron": float(quantised.spikes_per_neuron),
    }


def _cost(members, variables, architecture, measured: Measured, name: str) -> dict[str, Any]:
    """Count the cost of one inference of the network shipped."""
    spec = members.network.spec
    counts = count(spec, architecture, measured)
    timeline = make_timeline(spec, architecture, variables["windows"])
    work = workload(spec, architecture, measured)
    return {
        "synops": float(counts.synops),
        "params": int(counts.params),
        "latency": {"windows": timeline.windows, "time_steps": timeline.steps},
        "hardware": target(name).estimate(work).to_json(),
    }


def _recalls(measured: Measured) -> dict[str, float]:
    return {"war": float(measured.war), "uar": float(measured.uar)}
