"""Front, traces and energy of a finished run of `--space xylo`, drawn from its files."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from matplotlib.figure import Figure
from rich.table import Table

from hardware.target import DISCLAIMER
from hardware.xylo import specification
from hardware.xylo.core import Trace, simulate
from search.loop.run_directory import HISTORY, read_metrics
from search.reports.history import class_names, write_front
from search.retraining import baseline
from search.spaces.features import Features, pool, scale
from search.spaces.xylo import Candidate
from search.strategies.xylo.population import CHANNELS, XyloNetwork
from ttfs_jax.datasets import Dataset
from ttfs_jax.support.errors import InputError

FOLDER = "front"  # of the final networks of a run
OBJECTIVES = ("war", "uar", "energy", "latency")  # of the front after a search for one
COLOURS = {"evolution": "#0b6e99", "random": "#b0a99f", "front": "#c1440e", "baseline": "#3a7d44"}


def failures(metrics: dict) -> list[str]:
    """Say in which networks the integer core and the vendor's simulator differ, and how.

    `metrics` are those of the run.
    """
    rows = {f"front/{n}": row for n, row in enumerate(metrics["front"])}
    rows |= {"baseline": metrics["baseline"]} if metrics["baseline"] else {}
    return [
        f"{name}: XyloSim decides otherwise on {differs} test samples"
        for name, row in rows.items()
        if (differs := row["test"]["xylosim_differs"])
    ]


def load(folder: Path) -> XyloNetwork:
    """Load the network of a run in a `folder`; see `load_network`."""
    return load_network(folder)[0]


def load_network(folder: Path) -> tuple[XyloNetwork, dict]:
    """Read a network of a run, such as `front/0`, and its metadata.

    Raises: InputError if the folder holds no network, or its files are damaged.
    """
    folder = Path(folder)
    chip, _ = specification.load_specification(folder / specification.FILE_NAME)
    try:
        meta = json.loads((folder / "network.json").read_text(encoding="utf-8"))
        values = meta["candidate"]
        candidate = Candidate(
            **values
            | {"features": Features(*values["features"]), "widths": tuple(values["widths"])}
        )
        return XyloNetwork(candidate, chip, meta["steps"], ()), meta
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} holds no network of --space xylo: copy it again") from error


def channels(images: np.ndarray, network: XyloNetwork, meta: dict) -> np.ndarray:
    """Turn images [B, H, W, C] into the chip's inputs [B, 16], as in the run.

    `network` and `meta` are those that `load_network` returns.
    """
    features = network.candidate.features
    pooled = pool(images, features, polarities=meta["polarities"])
    values = scale(pooled, np.asarray(meta["full_scale"]), root=meta["polarities"] == 2)
    return np.pad(values, ((0, 0), (0, CHANNELS - features.count)))


def write(run: Path, data: Dataset) -> None:
    """Write figures/, pareto.csv and energy.csv of a finished `run`; `data` are its images."""
    history, metrics = pq.read_table(run / HISTORY), read_metrics(run)
    folder = run / "figures"
    folder.mkdir(exist_ok=True)
    draw_front(history, metrics).savefig(folder / "front.png", dpi=150)
    network, meta = load_network(run / "front" / str(best(metrics)))
    values = channels(data.test.images[:1], network, meta)
    trace = simulate(network.chip, network.events(values))
    meta |= {"classes": class_names(metrics, meta["classes"])}
    draw_trace(network, trace, meta).savefig(folder / "trace.png", dpi=150)
    write_front(run / "pareto.csv", history, metrics.get("objectives", OBJECTIVES))
    pa_csv.write_csv(energy_table(metrics), run / "energy.csv")


def best(metrics: dict) -> int:
    """Choose the network of the front with the best recalls on validation data.

    `metrics` are those of the run.
    """
    recalls = [row["validation"]["war"] + row["validation"]["uar"] for row in metrics["front"]]
    return int(np.argmax(recalls))


def energy_table(metrics: dict) -> pa.Table:
    """Lay out the energy of every network of the front by cause, in µJ; estimated.

    `metrics` are those of the run.
    """
    rows = [
        {
            "network": f"front/{number}",
            "term": term,
            **{name: 1e6 * value[name] for name in ("low", "nominal", "high")},
            "note": DISCLAIMER,
        }
        for number, row in enumerate(metrics["front"])
        for term, value in row["test"]["hardware"]["terms"].items()
    ]
    return pa.Table.from_pylist(rows)


def draw_front(history: pa.Table, metrics: dict) -> Figure:
    """Draw recall against energy: candidates, and the retrained front with low-to-high bars.

    `history` are the columns of the candidates, `metrics` those of the run.
    """
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    stage = np.asarray(history["stage"].to_pylist())
    for name in ("random", "evolution"):
        rows = stage == name
        axes.plot(
            1e6 * np.asarray(history["energy"])[rows],
            np.asarray(history["war"])[rows],
            ".",
            color=COLOURS[name],
            alpha=0.4,
            label=f"{name}, validation, short training",
        )
    for name, networks in (("front", metrics["front"]), ("baseline", [metrics["baseline"]])):
        networks = [row for row in networks if row and row["test"]["hardware"]["energy"]]
        energy = (
            np.array([list(row["test"]["hardware"]["energy"].values()) for row in networks]) * 1e6
        )
        if not len(energy):
            continue
        recall = np.array([row["test"]["war"] for row in networks])
        low, nominal, high = energy.T
        axes.errorbar(
            nominal,
            recall,
            xerr=[nominal - low, high - nominal],
            fmt="o",
            color=COLOURS[name],
            capsize=3,
            label=f"{name}, retrained, test",
        )
        for number, (x, y, row) in enumerate(zip(nominal, recall, networks, strict=True)):
            text = row["architecture"]
            label = f"{text['layers']} {text['mapping']}"
            label = f"{number}: {label}" if name == "front" else label
            axes.annotate(label, (x, y), xytext=(4, 5), textcoords="offset points", fontsize=7)
    axes.set(
        xscale="log",
        xlabel=f"µJ per inference on {metrics['target']} ({DISCLAIMER}; bars: low to high)",
        ylabel="WAR by the first output spike",
        title=f"{metrics['dataset']}, seed {metrics['seed']}",
    )
    axes.legend(frameon=False, loc="lower right")
    return figure


def draw_trace(network: XyloNetwork, trace: Trace, meta: dict) -> Figure:
    """Draw one inference on the chip: spikes and potentials of hidden neurons and of outputs.

    `trace` is the activity of the `network`, `meta` its metadata.
    """
    figure = Figure(figsize=(9, 8), layout="constrained")
    upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    step, neuron = np.nonzero(np.asarray(trace.spikes)[0])
    upper.plot(step, neuron, "|", color=COLOURS["evolution"], markersize=5)
    upper.set(
        ylabel="hidden neuron",
        ylim=(-1, network.chip.sizes[1]),
        title=f"{meta['dataset']}: one inference of {network.candidate.mapping} "
        f"{'-'.join(map(str, network.candidate.widths))} on the chip",
    )
    middle.plot(
        np.asarray(trace.potential)[0], color=COLOURS["evolution"], alpha=0.3, linewidth=0.8
    )
    middle.set(ylabel="hidden potential")
    potential, fired = np.asarray(trace.potential_out)[0], np.asarray(trace.spikes_out)[0]
    for number, name in enumerate(meta["classes"]):
        (line,) = lower.plot(potential[:, number], label=name, linewidth=1)
        when = np.flatnonzero(fired[:, number])
        lower.plot(when, potential[when, number], "v", color=line.get_color(), markersize=7)
    lower.axhline(np.asarray(network.chip.threshold_out)[0], color="black", linewidth=0.7)
    lower.set(xlabel="step", ylabel="output potential")
    lower.legend(frameon=False, fontsize=7, ncols=2, loc="upper left")
    return figure


def table(metrics: dict) -> Table:
    """Lay out the networks of the front and the baseline, measured on test data.

    `metrics` are those of the run.
    """
    result = Table(title=f"{metrics['dataset']}: test results on {metrics['target']}")
    result.add_column("network", no_wrap=True)
    result.add_column("architecture")
    for name in ("WAR", "UAR", "µJ", "low to high", "ms", "XyloSim\ndiffers"):
        result.add_column(name, justify="right", no_wrap=True)
    rows = [(f"front/{n}", row) for n, row in enumerate(metrics["front"])]
    for name, row in [*rows, ("baseline", metrics["baseline"])]:
        if row is None:
            continue
        test, differs = row["test"], row["test"]["xylosim_differs"]
        energy = {key: 1e6 * value for key, value in test["hardware"]["energy"].items()}
        result.add_row(
            name,
            " ".join(row["architecture"].values()),
            f"{test['war']:.4f}",
            f"{test['uar']:.4f}",
            f"{energy['nominal']:.3g}",
            f"{energy['low']:.2g} to {energy['high']:.2g}",
            f"{1e3 * test['latency']:.3g}",
            "not run" if differs is None else str(differs),
        )
    volumes = ", ".join(f"{k} {value:.3f}" for k, value in metrics.get("hypervolume", {}).items())
    result.caption = (
        f"Energy and time are {DISCLAIMER}. "
        + (f"Hypervolume of the search: {volumes}; " if volumes else "")
        + f"{metrics['architectures_evaluated']} architectures evaluated. "
        + baseline.in_words(metrics["comparison"])
    )
    return result
