"""Figures, Pareto table and a page for a finished run, all drawn from its files."""

import base64
import html
import json
from pathlib import Path

import matplotlib
import moocore
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from search.run_directory import HISTORY, METRICS

matplotlib.use("Agg")
COLOURS = {"evolution": "#0b6e99", "random": "#b0a99f"}


def running_best(fitness: np.ndarray) -> np.ndarray:
    """Return the best fitness after each evaluation, NaN counting as worst: [n] -> [n]."""
    return np.maximum.accumulate(np.nan_to_num(fitness, nan=-np.inf))


def draw_search(history: pa.Table) -> Figure:
    """Draw fitness against evaluations, evolution beside random search."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
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
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_tradeoff(history: pa.Table, front: np.ndarray) -> Figure:
    """Draw recall against synaptic operations, with the non-dominated candidates marked."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for stage, colour in COLOURS.items():
        synops, war = _column(history, stage, "synops"), _column(history, stage, "war")
        axes.plot(synops, war, ".", color=colour, alpha=0.5, label=stage)
    rows = np.flatnonzero(front)
    synops, war = np.asarray(history["synops"])[rows], np.asarray(history["war"])[rows]
    order = np.argsort(synops)
    axes.step(synops[order], war[order], where="post", color="#c1440e", label="Pareto front")
    axes.set(xlabel="synaptic operations an image", ylabel="WAR on validation images")
    axes.set_xscale("log")
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def pareto_front(history: pa.Table) -> np.ndarray:
    """Mark the candidates that no other beats in WAR, UAR and SynOps together: bool [n]."""
    columns = [np.asarray(history[name]) for name in ("war", "uar", "synops")]
    points = np.stack([-columns[0], -columns[1], columns[2]], 1)
    finite = np.isfinite(points).all(1)
    front = np.zeros(len(points), bool)
    if finite.any():
        front[finite] = moocore.is_nondominated(points[finite], keep_weakly=False)
    return front


def write(run: Path) -> None:
    """Write figures/, pareto.csv and report.html of a finished run."""
    history = pq.read_table(run / HISTORY)
    metrics = json.loads((run / METRICS).read_text())
    front = pareto_front(history)
    figures = run / "figures"
    figures.mkdir(exist_ok=True)
    draw_search(history).savefig(figures / "search.png", dpi=150)
    draw_tradeoff(history, front).savefig(figures / "tradeoff.png", dpi=150)
    table = history.filter(pa.array(front)).sort_by("synops").drop_columns(["genotype"])
    pa_csv.write_csv(table, run / "pareto.csv")
    (run / "report.html").write_text(page(metrics, figures), encoding="utf-8")


def page(metrics: dict, figures: Path) -> str:
    """Compose one self-contained HTML page."""
    rows = [*metrics["best"], metrics["random_search"]]
    names = [f"best/{n}" for n in range(len(metrics["best"]))] + ["random search"]
    head = ("", "architecture", "ReLU WAR", "TTFS WAR", "TTFS UAR", "spikes/neuron", "SynOps")
    body = [
        (
            name,
            " ".join(str(value) for value in row["architecture"].values()),
            f"{row['relu']['war']:.4f}",
            f"{row['ttfs']['war']:.4f}",
            f"{row['ttfs']['uar']:.4f}",
            f"{row['spikes_per_neuron']:.3f}",
            f"{row['synops']:,.0f}",
        )
        for name, row in zip(names, rows, strict=True)
    ]
    images = "".join(
        f'<img alt="{path.stem}" src="data:image/png;base64,'
        f'{base64.b64encode(path.read_bytes()).decode()}">'
        for path in sorted(figures.glob("*.png"))
    )
    identity = html.escape(json.dumps(metrics["identity"], indent=2))
    seconds = html.escape(json.dumps(metrics["seconds"], indent=2))
    return (
        '<!doctype html><meta charset="utf-8"><title>ttfs-jax run</title>'
        "<style>body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto}"
        "td,th{padding:.2rem .8rem;text-align:left}img{max-width:100%}</style>"
        f"<h1>{html.escape(metrics['dataset'])}, seed {metrics['seed']}</h1>"
        "<p>Test images, quantised spike times. Models were chosen on validation images.</p>"
        f"<table>{_row('th', head)}{''.join(_row('td', cells) for cells in body)}</table>"
        f"{images}<h2>Identity with the ReLU twin</h2><pre>{identity}</pre>"
        f"<h2>Seconds</h2><pre>{seconds}</pre>"
    )


def _row(tag: str, cells: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _column(history: pa.Table, stage: str, name: str) -> np.ndarray:
    rows = np.asarray(history["stage"]) == stage
    return np.asarray(history[name])[rows]
