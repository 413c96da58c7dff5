"""The evaluation protocol of the field: several draws per sequence, intervals over sequences."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import bootstrap

from ttfs_jax.tasks.recall import recalls, unweighted_average_recall, weighted_average_recall

RESAMPLES, CONFIDENCE = 1000, 0.95
BATCH = 50  # resamples at a time, to bound memory


def score_draws(
    predictions: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    columns: Mapping[str, np.ndarray],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Score predictions of all draws of all sequences.

    Every sequence has the same number of draws, so WAR and UAR over all draws are the means of
    the draws' own. The interval is a percentile bootstrap over *sequences*: draws of one recording
    are not independent samples. Without a column `sequence` every image is its own.

    Shapes: predictions, labels, columns [N]. `seed` draws the resamples. Returns JSON values: war
    and uar with [low, high], recall of each class, war and uar of each light, confusion [K, K]
    (rows are true classes), numbers of sequences and draws.
    Source: 20 random clips per sequence, Zhang et al. 2023 (arXiv:2310.04043); bootstrap, Efron
    1979, doi:10.1214/aos/1176344552.
    """
    sequence = np.asarray(columns.get("sequence", np.arange(len(labels))))
    _, first, number = np.unique(sequence, return_index=True, return_inverse=True)
    counts = np.zeros((len(first), len(classes)), int)  # predictions of each sequence
    np.add.at(counts, (number, predictions), 1)
    truth = np.eye(len(classes), dtype=int)[labels[first]]
    table = truth.T @ counts
    lights = np.asarray(columns.get("light", []))
    return {
        "sequences": len(first),
        "draws": len(labels) / len(first),
        **_averages(table),
        "interval": _intervals(truth, counts, seed),
        "confidence": CONFIDENCE,
        "recall": dict(zip(classes, np.asarray(recalls(table)).tolist(), strict=True)),
        "light": {
            str(light): _averages(truth[in_light].T @ counts[in_light])
            for light in np.unique(lights)
            if (in_light := lights[first] == light).any()
        },
        "confusion": table.tolist(),
    }


def _averages(table: np.ndarray) -> dict[str, float]:
    return {
        "war": float(weighted_average_recall(table)),
        "uar": float(unweighted_average_recall(table)),
    }


def _intervals(truth: np.ndarray, counts: np.ndarray, seed: int) -> dict[str, list[float]]:
    if len(truth) < 2:
        return {name: [value, value] for name, value in _averages(truth.T @ counts).items()}

    def averages(rows, axis):
        tables = jnp.einsum("rsk,rsj->rkj", truth[rows], counts[rows])
        return np.stack(
            [
                jax.vmap(average)(tables)
                for average in (weighted_average_recall, unweighted_average_recall)
            ]
        )

    result = bootstrap(
        (np.arange(len(truth)),),
        averages,
        n_resamples=RESAMPLES,
        batch=BATCH,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = np.asarray(result.confidence_interval).tolist()
    return dict(zip(("war", "uar"), map(list, zip(low, high, strict=True)), strict=True))
