"""Configs of runs as they are saved, read back, those of earlier versions too."""

import dataclasses
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from search.config import Config
from search.loop.run_directory import RunDirectory
from ttfs_jax.datasets import dataset_entry

# Options that configs of earlier versions hold, by the values at which they changed nothing.
GONE = {
    "TrainConfig": {
        "schedule": "cosine",
        "erase": 0.0,
        "mixup": 0.0,
        "average": 0.0,
        "distil": 0.0,
        "temperature": 4.0,
    },
    "RetrainConfig": {"teacher": "ensemble"},
}


def from_dict(values: dict) -> Config:
    """Turn saved JSON values back into a config. Raises TypeError for unknown keys."""
    values = values if "limits" in values else _with_limits(values)
    values = values if "data_options" in values else _with_data_options(values)
    options = _build(dataset_entry(values["data"]).options, values["data_options"])
    return _build(Config, values | {"data_options": options})


def _with_data_options(values: dict) -> dict:
    """Turn values saved when every data set had the options of all into today's."""
    rest = {name: values[name] for name in values.keys() - {"eye", "data_dir"}}
    options = {}
    for name, hint in get_type_hints(dataset_entry(values["data"]).options).items():
        value = values[name]
        if dataclasses.is_dataclass(hint):
            value = {field.name: value[field.name] for field in dataclasses.fields(hint)}
        options[name] = value
    return rest | {"data_options": options}


def _with_limits(values: dict) -> dict:
    """Turn values saved when only `--space xylo` had limits and several objectives into today's."""
    xylo = dict(values["xylo"])
    limits = {name: xylo.pop(f"max_{name}") for name in ("energy_uj", "latency_ms")}
    several = values["evolution"]["algorithm"] == "nsga2"
    objectives = values["objectives"] if several else Config.objectives
    return values | {"xylo": xylo, "limits": limits, "objectives": objectives}


def read_config(run: Path) -> Config:
    """Read the config of an existing run.

    Raises: InputError if the folder holds no run, or a config this version cannot read.
    """
    return RunDirectory.read_config(run, from_dict)


def _build(kind: Any, values: dict) -> Any:
    hints, gone = get_type_hints(kind), GONE.get(kind.__name__, {})
    for name in values.keys() & gone.keys():
        if values[name] != gone[name]:
            raise ValueError(f"{name} {values[name]} is an option that this version lacks")
    remaining = {name: value for name, value in values.items() if name not in gone}
    return kind(**{name: _restored(hints.get(name), value) for name, value in remaining.items()})


def _restored(hint: Any, value: Any) -> Any:
    """Give a JSON value the type that a field has: a config, a path or a tuple."""
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return _build(hint, value)
    kinds = (hint, *get_args(hint))
    if isinstance(value, str) and Path in kinds:
        return Path(value)
    if isinstance(value, list) and any(get_origin(kind) is tuple for kind in kinds):
        return tuple(value)
    return value
