"""The figures of a run; every one names its data set."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from ttfs_jax.network.layers import Signal
from ttfs_jax.network.timeline import Timeline
from ttfs_jax.spike_time import is_spike

COLOURS = {"evolution": "#0b6e99", "random": "#b0a99f"}


def running_best(fitness: np.ndarray) -> np.ndarray:
    """Return the best fitness after each evaluation, NaN counting as worst: [n] -> [n]."""
    return np.maximum.accumulate(np.nan_to_num(fitness, nan=-np.inf))


def draw_search(history: pa.Table, dataset: str) -> Figure:
    """Draw fitness against evaluations, for evolution and random search.

    `history` are the columns of the candidates; `dataset` is named in the title.
    """
    figure, axes = _figure(dataset)
    for stage, colour in COLOURS.items():
        fitness = _column(history, stage, "fitness")
        axes.plot(fitness, ".", color=colour, alpha=0.35, markersize=4)
        axes.plot(running_best(fitness), color=colour, linewidth=2, label=f"{stage}, best so far")
    axes.set(xlabel="architectures evaluated", ylabel="fitness on validation images")
    every = np.asarray(history["fitness"])
    finite = every[np.isfinite(every)]
    if finite.size:
        low, high = np.quantile(finite, 0.1), finite.max()
        axes.set_ylim(low, high + 0.1 * (high - low) + 1e-3)
    axes.legend(frameon=False, loc="lower right")
    return figure


def draw_tradeoff(history: pa.Table, front: np.ndarray, dataset: str) -> Figure:
    """Draw recall against synaptic operations, with the non-dominated candidates marked.

    `history` are the columns of the candidates, `front` [n] marks some; `dataset` is named in the
    title.
    """
    figure, axes = _figure(dataset)
    for stage, colour in COLOURS.items():
        synops, war = _column(history, stage, "synops"), _column(history, stage, "war")
        axes.plot(synops, war, ".", color=colour, alpha=0.5, label=stage)
    rows = np.flatnonzero(front)
    synops, war = np.asarray(history["synops"])[rows], np.asarray(history["war"])[rows]
    order = np.argsort(synops)
    axes.step(synops[order], war[order], where="post", color="#c1440e", label="Pareto front")
    axes.set(xlabel="synaptic operations per image", ylabel="WAR on validation images")
    axes.set_xscale("log")
    axes.legend(frameon=False, loc="lower right")
    return figure


def draw_confusion(row: dict, dataset: str, classes: Sequence[str]) -> Figure:
    """Draw the confusion matrix of one network, in shares of each true class.

    `row` is the network's row of metrics.json, `dataset` the name of its data, with the names of
    the `classes`.
    """
    protocol = row["protocol"]
    counts = np.asarray(protocol["confusion"], float)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, axes = _figure(
        f"{dataset}, test: WAR {protocol['war']:.3f}, UAR {protocol['uar']:.3f}", size=(5.2, 4.6)
    )
    display = ConfusionMatrixDisplay(shares, display_labels=classes)
    display.plot(
        ax=axes, cmap="Blues", values_format=".2f", colorbar=False, xticks_rotation="vertical"
    )
    return figure


def draw_raster(
    signals: dict[str, Signal], timeline: Timeline, dataset: str, sample: int = 0
) -> Figure:
    """Draw every spike of one image: layers below each other, their windows in a row.

    `signals` are the spike times by layer; image number `sample` is drawn; `dataset` is named in
    the title. Spike times are local to a layer; `timeline` says when its window begins. Pooled
    spikes pass on in the window in which they arrive.
    """
    figure, axes = _figure(dataset, size=(7, 4.2))
    ticks, bottom = {}, 0
    for name, signal in signals.items():
        slot = timeline.slots[name]
        colour = f"C{slot.number}"
        times = np.asarray(signal.values)[sample].ravel()
        rows = np.flatnonzero(is_spike(times))
        axes.plot(slot.start + times[rows], bottom + rows, ",", color=colour)
        axes.axvspan(slot.start, slot.start + slot.length, color=colour, alpha=0.06, lw=0)
        ticks[bottom + len(times) / 2] = f"{name} ({len(rows)}/{len(times)})"
        bottom += len(times)
    steps = "" if timeline.steps is None else f", {timeline.steps} time steps in all"
    label = f"time units ({timeline.windows} windows{steps})"
    axes.set(xlabel=label, ylim=(bottom, 0), xlim=(0, timeline.end))
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize=7)
    return figure


def _figure(title: str, *, size: tuple[float, float] = (7, 3.6)):
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _column(history: pa.Table, stage: str, name: str) -> np.ndarray:
    rows = np.asarray(history["stage"]) == stage
    return np.asarray(history[name])[rows]
