"""HDF5: streams of events in a file are found by the names of its datasets.

Published layouts that are read: Prophesee (CD/events, compound), DSEC (events/{x,y,t,p}), M3ED
(prophesee/{left,right}/{x,y,t,p}), MVSEC (davis/{left,right}/events [N, 4]), v2e (events [N, 4]),
rpg and its kin (events/{xs,ys,ts,ps}), and the same names at the root or with `timestamp` and
`polarity`. Of other indices and offsets (ms_to_idx, t_offset)
only the presence of ms_to_idx counts: it marks DSEC, in microseconds.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ttfs_jax.datasets.events import sensor
from ttfs_jax.datasets.events.columns import find_names, guess_order
from ttfs_jax.datasets.events.source import BLOCK, Columns, Source, choose_stream, import_package
from ttfs_jax.datasets.events.time_units import find_unit
from ttfs_jax.support.errors import InputError

LAYOUTS = (
    "CD/events with fields x y p t (Prophesee), a group with datasets x y t p or xs ys ts ps "
    "(DSEC, M3ED, rpg), a dataset events of [N, 4] (v2e, MVSEC)"
)
ECF = 0x8ECF
FILTERS = {32001: "blosc", 32026: "blosc2", 32015: "zstd", 32004: "LZ4", 32008: "bitshuffle"}
SAMPLE = 10_000  # events used to guess the order of unnamed columns
SHOWN = 8  # datasets that an error names


class Stream(NamedTuple):
    """Where one stream of events lies in a file."""

    columns: dict[str, Any] | None  # datasets t, x, y, p
    table: Any = None  # or one dataset with fields, or of [N, 4]
    fields: dict[str, str] | None = None  # its fields for t, x, y, p
    unit: str | None = None  # of time, if the file says it

    @property
    def count(self) -> int:
        """Give the number of events."""
        return len(self.table if self.columns is None else self.columns["t"])


def open_hdf5(path: Path, stream: str | None) -> Source:
    """Open the events of the HDF5 file `path`; `stream` chooses among several.

    Raises: InputError, OSError.
    """
    h5py = import_package("h5py")
    file = h5py.File(path, "r")
    try:
        return _source(path, file, h5py, stream)
    except BaseException:
        file.close()
        raise


def _source(path: Path, file, h5py, stream: str | None) -> Source:
    streams = _find_streams(file, h5py)
    if not streams:
        raise InputError(
            f"{path} is sound but has no events in a known layout; it holds "
            f"{_contents(file, h5py)}; known are {LAYOUTS}"
        )
    stream_name = choose_stream(
        str(path), {name: f"{one.count} events" for name, one in streams.items()}, stream
    )
    selection = streams[stream_name]
    datasets = [selection.table] if selection.columns is None else list(selection.columns.values())
    if len({len(dataset) for dataset in datasets}) > 1:
        lengths = ", ".join(f"{len(dataset)} in {dataset.name}" for dataset in datasets)
        raise InputError(f"{path} has columns of different lengths ({lengths}): export it again")
    for dataset in datasets:
        _check_filters(path, dataset, h5py)
    time = selection.table if selection.columns is None else selection.columns["t"]
    unit = selection.unit or _unit_attribute(time)
    prophesee = stream_name == "CD/events" and selection.fields is not None
    dsec = stream_name == "events" and "ms_to_idx" in file  # an index by milliseconds of `t` in µs
    notes: list[str] = []
    return Source(
        name=str(path),
        blocks=_blocks(file, selection, notes),
        notes=notes,
        dropped=Counter(),
        size=_find_size(file, time),
        unit=unit or ("us" if prophesee or dsec else None),
    )


def _find_streams(file, h5py) -> dict[str, Stream]:
    streams: dict[str, Stream] = {}

    def look_at(name: str, node) -> None:
        if isinstance(node, h5py.Group):
            children = {key: node.get(key) for key in node}
            arrays = {
                key: child
                for key, child in children.items()
                if isinstance(child, h5py.Dataset) and _is_column(child)
            }
            names = find_names(list(arrays))
            if names:
                listed = list(arrays.values())
                columns = {key: listed[n] for key, n in names.positions.items()}
                streams[name or "/"] = Stream(columns, unit=names.unit)
        elif not isinstance(node, h5py.Dataset):
            return
        elif node.dtype.names:
            names = find_names(list(node.dtype.names))
            if names and node.ndim == 1:
                fields = {key: node.dtype.names[n] for key, n in names.positions.items()}
                streams[name] = Stream(None, node, fields, names.unit)
        elif node.ndim == 2 and node.shape[1] == 4 and "event" in name.casefold():
            if node.dtype.kind in "iuf":
                streams[name] = Stream(None, node)

    look_at("", file)
    file.visititems(look_at)
    return streams


def _is_column(dataset) -> bool:
    return dataset.dtype.kind in "iufb" and dataset.ndim >= 1 and dataset.size == len(dataset)


def _blocks(file, stream: Stream, notes: list[str]) -> Iterator[Columns]:
    with file:
        if stream.columns is not None:
            for begin in range(0, stream.count, BLOCK):
                t, x, y, p = (
                    stream.columns[key][begin : begin + BLOCK].reshape(-1) for key in "txyp"
                )
                yield t, x, y, p
            return
        sample = stream.table[:SAMPLE]
        order = "txyp" if stream.fields or not len(sample) else guess_order(sample)
        if order != "txyp":
            notes.append(f"columns are read as {' '.join(order)}, judged by their values")
        for begin in range(0, len(stream.table), BLOCK):
            block = stream.table[begin : begin + BLOCK]
            if stream.fields:
                t, x, y, p = (block[stream.fields[key]] for key in "txyp")
            else:
                t, x, y, p = (block[:, order.index(key)] for key in "txyp")
            yield t, x, y, p


def _check_filters(path: Path, dataset, h5py) -> None:
    """Make the compression of a dataset readable, or say which plug-in is missing."""
    filters = dataset.id.get_create_plist()
    numbers = [filters.get_filter(n)[0] for n in range(filters.get_nfilters())]
    if all(h5py.h5z.filter_avail(number) for number in numbers):
        return
    if any(number in FILTERS for number in numbers):
        import_package("hdf5plugin")  # registers its filters
    for number in numbers:
        if h5py.h5z.filter_avail(number):
            continue
        if number == ECF:
            raise InputError(
                f"{path} is compressed by Prophesee's ECF codec: install its plug-in hdf5_ecf "
                "(part of the Metavision SDK and OpenEB) and name its folder by HDF5_PLUGIN_PATH"
            )
        raise InputError(
            f"{path} is compressed by {FILTERS.get(number, 'an unknown method')} (HDF5 filter "
            f"{number}): name the folder of its plug-in by HDF5_PLUGIN_PATH, or repack the file"
        )


def _unit_attribute(dataset) -> str | None:
    for key in ("unit", "units", "time_unit", "time_units"):
        value = dataset.attrs.get(key)
        if value is not None:
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            return find_unit(text)
    return None


def _find_size(file, dataset) -> tuple[int, int] | None:
    """Look for a size in the attributes and small datasets of a dataset and all groups above."""
    size, node = sensor.width_and_height(dict(dataset.attrs)), dataset
    while size is None:
        node = node.parent
        small = {
            key.rpartition("/")[2]: node[key][()]
            for key in (*sensor.WIDTHS, *sensor.HEIGHTS, *sensor.PAIRS, "calib/resolution")
            if key in node and getattr(node[key], "size", 9) <= 3
        }
        size = sensor.width_and_height({**small, **node.attrs})
        if node == file["/"]:
            break
    return size


def _contents(file, h5py) -> str:
    datasets = []

    def note(name: str, node) -> None:
        if isinstance(node, h5py.Dataset):
            kind = f" of {', '.join(node.dtype.names)}" if node.dtype.names else ""
            datasets.append(f"{name} {list(node.shape)}{kind}")

    file.visititems(note)
    more = f" and {len(datasets) - SHOWN} more" if len(datasets) > SHOWN else ""
    return (", ".join(datasets[:SHOWN]) + more) or "no datasets"
