"""Figures, Pareto table and a page for a finished run, all drawn from its files."""

import base64
import html
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from search import figures, pareto
from search.run_directory import HISTORY, METRICS
from ttfs_jax.model import load


def pareto_front(history: pa.Table) -> np.ndarray:
    """Mark the candidates that no other beats in WAR, UAR and SynOps together: bool [n]."""
    columns = [np.asarray(history[name]) for name in ("war", "uar", "synops")]
    return pareto.front(np.stack([-columns[0], -columns[1], columns[2]], 1))


def write(run: Path) -> None:
    """Write figures/, pareto.csv and report.html of a finished run."""
    history = pq.read_table(run / HISTORY)
    metrics = json.loads((run / METRICS).read_text())
    front = pareto_front(history)
    folder, dataset = run / "figures", metrics["dataset"]
    folder.mkdir(exist_ok=True)
    drawn = {
        "search": figures.draw_search(history, dataset),
        "tradeoff": figures.draw_tradeoff(history, front, dataset),
        "confusion": figures.draw_confusion(metrics["best"][0], dataset),
    }
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.png", dpi=150)
    table = history.filter(pa.array(front)).sort_by("synops").drop_columns(["genotype"])
    pa_csv.write_csv(table, run / "pareto.csv")
    (run / "report.html").write_text(page(metrics, folder), encoding="utf-8")


def write_raster(run: Path, images: np.ndarray, dataset: str) -> None:
    """Write figures/raster.png: every spike of the best network for the first image."""
    (run / "figures").mkdir(exist_ok=True)
    signals = load(run / "best/0").signals(images[:1])
    figures.draw_raster(signals, dataset).savefig(run / "figures/raster.png", dpi=150)


def page(metrics: dict, folder: Path) -> str:
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
        for path in sorted(folder.glob("*.png"))
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
