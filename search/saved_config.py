"""Read the saved configs of runs, including those of earlier versions."""

import dataclasses
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from search.config import Config, LimitsConfig
from search.loop.run_directory import RunDirectory
from ttfs_jax.datasets import dataset_entry
from ttfs_jax.support.ranges import PAIRED

STAGES = ("supernet.train", "retrain.train", "retrain.fine_tune")
CHIP_STAGES = ("xylo.train", "xylo.retrain", "xylo.relu", "xylo.relu_retrain")
# Options of earlier versions and the ones that hold their values now; several must agree.
MOVED = {
    **{f"{stage}.balanced": "train.balanced" for stage in STAGES},
    **{f"{stage}.products": "train.products" for stage in STAGES},
    **{f"{stage}.batch_size": f"{stage.partition('.')[0]}.batch_size" for stage in STAGES},
    **{f"{stage}.batch_size": "xylo.batch_size" for stage in CHIP_STAGES},
    "retrain.train.activity_penalty": "retrain.activity_penalty",
    "retrain.fine_tune.activity_penalty": "retrain.activity_penalty",
    "retrain.halving.factor": "retrain.halving",
}
RECIPE = {
    "warmup": 0.1,
    "weight_decay": 1e-4,
    "label_smoothing": 0.05,
    "quantised": True,
    "grow_windows": True,
    "schedule": "cosine",
    "erase": 0.0,
    "mixup": 0.0,
    "average": 0.0,
    "distil": 0.0,
    "temperature": 4.0,
}
NATIVE = {"label_smoothing": 0.1, "jitter": 0.06, "second_spike_penalty": 0.05, "first_spike": 1.0}
RELU = {"label_smoothing": 0.0, "jitter": 0.03, "weight_decay": 1e-3}
# Options of earlier versions and the values that they have in every run now. A run of an earlier
# version with another value cannot be read.
FIXED = {
    **{f"{stage}.{name}": value for stage in STAGES for name, value in RECIPE.items()},
    **{f"{stage}.{name}": value for stage in CHIP_STAGES[:2] for name, value in NATIVE.items()},
    **{f"{stage}.{name}": value for stage in CHIP_STAGES[2:] for name, value in RELU.items()},
    "supernet.train.activity_penalty": 0.0,
    "evolution.calibration_images": 512,
    "evolution.validation_images": 2500,
    "evolution.synops_penalty": 0.0,
    "evolution.window_margin": 1.1,
    "retrain.identity_margin": 1.5,
    "retrain.window_margin": 1.0,
    "retrain.calibration_images": 4096,
    "retrain.halving.first": 1,
    "retrain.teacher": "ensemble",
}


def from_dict(values: dict) -> Config:
    """Turn saved JSON values back into a config. Raises TypeError for unknown keys."""
    values = values if "limits" in values else _with_limits(values)
    values = values if "data_options" in values else _with_data_options(values)
    values = values if "train" in values else _with_shared_training(values)
    options = _build(dataset_entry(values["data"]).options, values["data_options"])
    return _build(Config, values | {"data_options": options})


def _with_shared_training(values: dict) -> dict:
    """Convert values saved when every training stage had all options of its own."""
    values = values | {"objectives": values["objectives"].split(",")}
    values["xylo"] = values["xylo"] | {"mappings": values["xylo"]["mappings"].split(",")}
    changed: dict = {"train": {}}
    for name, value in _leaves(values):
        if name in FIXED:
            if value != FIXED[name]:
                raise ValueError(f"{name} {value} is an option that this version lacks")
            continue
        *groups, last = MOVED.get(name, name).split(".")
        place = changed
        for group in groups:
            place = place.setdefault(group, {})
        if place.setdefault(last, value) != value:
            raise ValueError(f"{name} {value} differs from {place[last]} of another training")
    return changed


def _leaves(values: dict, within: str = ""):
    """List the values of the configs in a config by name, those of whole groups among them."""
    for name, value in values.items():
        if isinstance(value, dict) and name not in ("data_options", *PAIRED):
            yield from _leaves(value, f"{within}{name}.")
        else:
            yield within + name, value


def _with_data_options(values: dict) -> dict:
    """Convert values saved when every data set had the options of all."""
    rest = {name: values[name] for name in values.keys() - {"eye", "data_dir"}}
    options = {}
    for name, hint in get_type_hints(dataset_entry(values["data"]).options).items():
        value = values[name]
        if dataclasses.is_dataclass(hint):
            value = {field.name: value[field.name] for field in dataclasses.fields(hint)}
        options[name] = value
    return rest | {"data_options": options}


def _with_limits(values: dict) -> dict:
    """Convert values saved when only `--space xylo` had limits and several objectives."""
    xylo = dict(values["xylo"])
    names = ("energy_uj", "latency_ms")
    limits = dataclasses.asdict(LimitsConfig()) | {name: xylo.pop(f"max_{name}") for name in names}
    several = values["evolution"]["algorithm"] == "nsga2"
    objectives = values["objectives"] if several else "fitness"
    return values | {"xylo": xylo, "limits": limits, "objectives": objectives}


def read_config(run: Path) -> Config:
    """Read the config of an existing run.

    Raises: InputError if the folder holds no run, or a config this version cannot read.
    """
    return RunDirectory.read_config(run, from_dict)


def _build(kind: Any, values: dict) -> Any:
    hints = get_type_hints(kind)
    return kind(**{name: _restored(hints.get(name), value) for name, value in values.items()})


def _restored(hint: Any, value: Any) -> Any:
    """Give a JSON value the type of a field: a config, a path or a tuple."""
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return _build(hint, value)
    kinds = (hint, *get_args(hint))
    if isinstance(value, str) and Path in kinds:
        return Path(value)
    if isinstance(value, list) and any(get_origin(kind) is tuple for kind in kinds):
        return tuple(value)
    return value
