"""Figures, Pareto table and a page for a finished run, all drawn from its files."""

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rich.table import Table

from search.loop.run_directory import HISTORY, read_metrics
from search.reports import figures
from search.reports.history import class_names, front_of, write_front
from ttfs_jax.datasets import Dataset
from ttfs_jax.model import load

# The final table must fit into 80 columns.
SHORT = {"conv3x3": "3×3", "conv5x5": "5×5", "residual": "res", "skip": "–"}
READINGS = ("ttfs", "ttfs_continuous", "first_spike", "relu")
HEAD = (
    "",
    "architecture",
    "validation, shipped",
    "before fine-tuning, ReLU",
    "before fine-tuning, spike times",
    "shipped, quantised spike times",
    "shipped, continuous spike times",
    "shipped, first spike",
    "shipped, ReLU",
    "UAR, shipped, quantised",
    "same class in spike times and ReLU, shipped",
    "clip rate, shipped",
    "spikes per neuron",
    "SynOps",
    "time steps",
)
FOLDER = "best"  # of the final networks of a run
OBJECTIVES = ("war", "uar", "synops")  # of the front after a search for one


def write(run: Path, data: Dataset) -> None:
    """Write figures/, pareto.csv and report.html of a finished `run`; `data` are its images."""
    history = pq.read_table(run / HISTORY)
    metrics = read_metrics(run)
    objectives = metrics.get("objectives", OBJECTIVES)
    front = front_of(history, objectives)
    folder, dataset = run / "figures", metrics["dataset"]
    classes = class_names(metrics, data.classes)
    folder.mkdir(exist_ok=True)
    write_raster(run, data.test.images, data.name)
    drawn = {
        "search": figures.draw_search(history, dataset),
        "tradeoff": figures.draw_tradeoff(history, front, dataset),
        "confusion": figures.draw_confusion(metrics["best"][0], dataset, classes),
    }
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.png", dpi=150)
    write_front(run / "pareto.csv", history, objectives)
    (run / "report.html").write_text(page(metrics, folder, classes), encoding="utf-8")


def write_raster(run: Path, images: np.ndarray, dataset: str) -> None:
    """Write figures/raster.png: every spike of the best network of a `run` for the first image.

    `images` [N, H, W, C] are those of the `dataset`, which is named in the title.
    """
    (run / "figures").mkdir(exist_ok=True)
    net = load(run / "best/0")
    figure = figures.draw_raster(net.signals(images[:1]), net.timeline, dataset)
    figure.savefig(run / "figures/raster.png", dpi=150)


def page(metrics: dict, folder: Path, classes: Sequence[str]) -> str:
    """Compose one self-contained HTML page.

    `metrics` are those of the run, figures are read from its `folder`, and `classes` are named.
    """
    body = [
        (
            name,
            " ".join(str(value) for value in row["architecture"].values()),
            f"{row['validation']['war']:.4f}",
            f"{row['before_fine_tuning']['relu']['war']:.4f}",
            f"{row['before_fine_tuning']['ttfs']['war']:.4f}",
            *(f"{row[reading]['war']:.4f}" for reading in READINGS),
            f"{row['ttfs']['uar']:.4f}",
            f"{row['agreement_with_relu']:.4f}",
            f"{row['clip_rate']:.1e}",
            f"{row['spikes_per_neuron']:.3f}",
            f"{row['synops']:,.0f}",
            f"{row['latency']['time_steps']:,}",
        )
        for folder in ("best", "random_search")
        for name, row in ((f"{folder}/{n}", row) for n, row in enumerate(metrics[folder]))
    ]
    images = "".join(
        f'<img alt="{path.stem}" src="data:image/png;base64,'
        f'{base64.b64encode(path.read_bytes()).decode()}">'
        for path in sorted(folder.glob("*.png"))
    )
    identity = html.escape(json.dumps(metrics["identity"], indent=2))
    seconds = html.escape(json.dumps(metrics["seconds"], indent=2))
    return (
        '<!doctype html><meta charset="utf-8"><title>ttfs-jax run</title>'
        "<style>body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto}"
        "td,th{padding:.2rem .8rem;text-align:left}img{max-width:100%}</style>"
        f"<h1>{html.escape(metrics['dataset'])}, seed {metrics['seed']}</h1>"
        f"<p>Classes: {html.escape(', '.join(classes))}.</p>"
        "<p>WAR on test images, unless said otherwise. Models were chosen on validation images. "
        "<em>Shipped</em> is the network that is saved: in quantised and in continuous spike "
        "times, read out by its first output spike, and its own ReLU reading. Random search had "
        "the same budget and as many networks retrained.</p>"
        f"<table>{_row('th', HEAD)}{''.join(_row('td', cells) for cells in body)}</table>"
        f"{images}<h2>Equality of the codes relu and ttfs, best/0 before fine-tuning</h2>"
        f"{_verdict(metrics['identity'])}<pre>{identity}</pre>"
        f"<h2>Seconds</h2><pre>{seconds}</pre>"
    )


def _verdict(proof: dict) -> str:
    if not proof["failures"]:
        return "<p>The codes are equal on the test images.</p>"
    return f"<p><strong>PROOF FAILED: {html.escape('; '.join(proof['failures']))}</strong></p>"


def _row(tag: str, cells: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def failures(metrics: dict) -> list[str]:
    """Say in which networks the codes `relu` and `ttfs` differ before fine-tuning, and how.

    `metrics` are those of the run.
    """
    return [
        f"{folder}/{n}: before fine-tuning {reason}"
        for folder in ("best", "random_search")
        for n, row in enumerate(metrics[folder])
        for reason in row["identity"]["failures"]
    ]


def table(metrics: dict) -> Table:
    """Lay out the final table: the best networks and random search, measured on test data.

    `metrics` are those of the run.
    """
    result = Table(title=f"{metrics['dataset']}: test results of the networks shipped")
    result.add_column("network", no_wrap=True)
    result.add_column("architecture")
    for name in ("WAR", "UAR", "own\nReLU", "spikes/\nneuron", "kSynOps", "params"):
        result.add_column(name, justify="right", no_wrap=True)
    for folder, name in (("best", "best"), ("random_search", "random")):
        for n, row in enumerate(metrics[folder]):
            result.add_row(
                f"{name}/{n}",
                " ".join(SHORT.get(value, str(value)) for value in row["architecture"].values()),
                f"{row['ttfs']['war']:.4f}",
                f"{row['ttfs']['uar']:.4f}",
                f"{row['relu']['war']:.4f}",
                f"{row['spikes_per_neuron']:.3f}",
                f"{row['synops'] / 1e3:,.0f}",
                f"{row['params']:,}",
            )
    proof, best = metrics["identity"], metrics["best"][0]
    before = best["before_fine_tuning"]
    agreement = f"{proof['argmax_agreement']:.2%} same class"
    result.caption_justify = "left"
    result.caption = (
        f"best/0 before fine-tuning: ReLU {before['relu']['war']:.4f}, spike times "
        f"{before['ttfs']['war']:.4f}, {agreement}\n"
        f"best/0 shipped: quantised {best['ttfs']['war']:.4f}, continuous "
        f"{best['ttfs_continuous']['war']:.4f}, first spike {best['first_spike']['war']:.4f}\n"
        f"{best['hardware']['headline']}"
    )
    return result
