"""A network as a file for configuring the chip on a board."""

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from hardware.xylo.families import family, require_fit
from hardware.xylo.network import ChipNetwork, check_network
from ttfs_jax.support.errors import InputError

FORMAT = 1
FILE_NAME = "specification.npz"  # in the folder of a network
# Names in Rockpool's config_from_specification -> fields. Its simulator calls the biases of hidden
# neurons `bias`; config_from_specification silently drops that key.
PLAIN = {
    "weights_in": "weights_in",
    "weights_rec": "weights_rec",
    "weights_out": "weights_out",
    "dash_mem": "dash_mem",
    "dash_mem_out": "dash_mem_out",
    "dash_syn_out": "dash_syn_out",
    "threshold": "threshold",
    "threshold_out": "threshold_out",
    "bias_hidden": "bias",
    "bias_out": "bias_out",
    "weight_shift_in": "shift_in",
    "weight_shift_rec": "shift_rec",
    "weight_shift_out": "shift_out",
}


def specify(network: ChipNetwork) -> dict[str, Any]:
    """Name the arrays as Rockpool's `config_from_specification(**…)` takes them.

    Raises: InputError for a network that no chip could hold, see `check_network`.
    """
    values = _arrays(check_network(network))
    if network.alias is not None:
        values["aliases"] = network.alias_lists
    return values


def _arrays(net: ChipNetwork) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(net, field) for name, field in PLAIN.items()}
    values["dash_syn"] = net.dash_syn[:, 0]
    if net.sizes[3] == 2:
        values["dash_syn_2"] = net.dash_syn[:, 1]
    if net.alias is not None:
        values["aliases"] = net.alias
    return values


def save_specification(path: Path, network: ChipNetwork, *, chip: str) -> None:
    """Write a network that fits the chip to `path`, an .npz file, completely or not at all.

    Raises: InputError if it does not fit, or something is there already.
    """
    path = Path(path)
    net = require_fit(network, family(chip))
    if path.exists():
        raise InputError(f"{path} exists: choose another file")
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        np.savez_compressed(file, format=FORMAT, chip=chip, **_arrays(net))
    os.replace(temporary, path)


def load_specification(path: Path) -> tuple[ChipNetwork, str]:
    """Read (network, chip) back from the file `path`; its checksums are checked.

    Raises: InputError for a file that is missing, truncated, damaged or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist: name an .npz file written by save")
    try:
        # Opened here, since np.load leaves a damaged file open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            values = {name: file[name] for name in file.files}
    except (OSError, ValueError, TypeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is truncated, damaged or not a specification: copy it again"
        ) from error
    missing = {"format", "chip", "dash_syn", *PLAIN} - set(values)
    if missing:
        raise InputError(f"{path} is not a specification of a chip: {min(missing)} is missing")
    if values["format"] != FORMAT:
        raise InputError(f"{path} has format {values['format']}, this version reads {FORMAT}")
    second = [values["dash_syn_2"]] if "dash_syn_2" in values else []
    network = ChipNetwork(
        **{field: values[name] for name, field in PLAIN.items()},
        dash_syn=np.stack([values["dash_syn"], *second], -1),
        alias=values.get("aliases"),
    )
    return check_network(network), str(values["chip"])
