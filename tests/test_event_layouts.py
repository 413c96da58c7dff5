"""Layouts of recordings as they are published: all give the same events."""

import h5py
import hdf5plugin
import numpy as np
import pytest

from ttfs_jax.datasets.events.columns import ORDERS, guess_order
from ttfs_jax.datasets.events.files import read_events
from ttfs_jax.support.errors import InputError

COUNT = 300


def raw_events(seed=0):
    """Make whole microseconds from 1 s on, pixels of 64 × 48 and polarities 0 and 1."""
    generator = np.random.default_rng(seed)
    t = np.sort(generator.choice(2_000_000, COUNT, replace=False)) + 1_000_000
    x, y = generator.integers(0, 64, COUNT), generator.integers(0, 48, COUNT)
    x[0], y[0] = 63, 47
    return t, x, y, generator.integers(0, 2, COUNT)


def assert_same(recording, raw=None, atol=1e-9):
    t, x, y, p = raw or raw_events()
    np.testing.assert_allclose(recording.events["t"], t * 1e-6, atol=atol)
    for name, column in zip("xyp", (x, y, p), strict=True):
        np.testing.assert_array_equal(recording.events[name], column)
    assert not recording.dropped


def datasets(file, names, columns, **options):
    for name, column in zip(names, columns, strict=True):
        file.create_dataset(name, data=column, **options)


@pytest.mark.parametrize("compression", ["zstd", "lz4", "blosclz"])
def test_dsec_as_published(compression, tmp_path):
    t, x, y, p = raw_events()
    columns = (t.astype("u4"), x.astype("u2"), y.astype("u2"), p.astype("u1"))
    with h5py.File(tmp_path / "events.h5", "w") as file:
        names = [f"events/{name}" for name in "txyp"]
        datasets(file, names, columns, **hdf5plugin.Blosc(cname=compression))
        file["ms_to_idx"] = np.arange(3000, dtype="u8")
        file["t_offset"] = np.int64(48_000_000_000)
    recording = read_events(tmp_path / "events.h5")
    assert_same(recording)
    assert not any("guessed" in note for note in recording.notes)


def test_prophesee_names_its_sensor(tmp_path):
    kind = [("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")]
    table = np.zeros(COUNT, kind)
    for name, column in zip("txyp", raw_events(), strict=True):
        table[name] = column
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.create_dataset("CD/events", data=table, **hdf5plugin.Zstd())
        file["CD/indexes"] = np.zeros(3, [("id", "u8"), ("ts", "i8")])
        file["EXT_TRIGGER/events"] = np.zeros(3, [("p", "i2"), ("t", "i8"), ("id", "i2")])
        file.attrs["geometry"] = "1280x720"
    recording = read_events(tmp_path / "a.hdf5")
    assert_same(recording)
    assert (recording.width, recording.height) == (1280, 720)
    assert not any("guessed" in note for note in recording.notes)


def test_missing_codecs_are_named(tmp_path):
    def written(number):
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "w") as file:
            datasets(file, ("events/x", "events/y", "events/p"), raw_events()[1:])
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk((COUNT,))
            plist.set_filter(number, h5py.h5z.FLAG_OPTIONAL)
            space = h5py.h5s.create_simple((COUNT,))
            kind = h5py.h5t.NATIVE_INT64
            data = h5py.h5d.create(file["events"].id, b"t", kind, space, plist)
            data.write_direct_chunk((0,), b"compressed", filter_mask=0)
        return path

    with pytest.raises(InputError, match="ECF codec.*hdf5_ecf.*HDF5_PLUGIN_PATH"):
        read_events(written(0x8ECF))
    with pytest.raises(InputError, match="an unknown method .HDF5 filter 40000.*PLUGIN_PATH"):
        read_events(written(40000))


def put_v2e(file, t, x, y, p):
    file.create_dataset("events", data=np.stack([t, x, y, p], 1).astype("u4"), chunks=True)
    file["frame_idx"] = np.arange(3)


def put_rpg(file, t, x, y, p):
    datasets(file, [f"events/{n}s" for n in "txyp"], (t * 1e-6, x, y, p.astype(bool)))
    file.attrs["sensor_resolution"] = (48, 64)


def put_root(file, t, x, y, p):
    file["kind"] = np.dtype("f8")  # a named type is no dataset
    datasets(file, ("timestamp", "x", "y", "polarity"), (t, x, y, (2 * p - 1).astype("i1")))


def put_columns(file, t, x, y, p):
    datasets(file, [f"events/{n}" for n in "txyp"], [c[:, None] for c in (t, x, y, p)])


def put_named_unit(file, t, x, y, p):
    datasets(file, [f"events/{n}" for n in "txyp"], (t // 1000, x, y, p))
    file["events/t"].attrs["unit"] = "ms"


@pytest.mark.parametrize("put", [put_v2e, put_rpg, put_root, put_columns, put_named_unit])
def test_hdf5_layouts(put, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        put(file, *raw_events())
    recording = read_events(tmp_path / "a.h5")
    assert_same(recording, atol=1e-3 if put is put_named_unit else 1e-9)
    assert (recording.width, recording.height) == (64, 48)


def test_cameras_of_mvsec_and_m3ed_are_streams(tmp_path):
    t, x, y, p = raw_events()
    with h5py.File(tmp_path / "mvsec.hdf5", "w") as file:
        table = np.stack([x, y, t * 1e-6, 2.0 * p - 1], 1)
        file["davis/left/events"], file["davis/right/events"] = table, table[:10]
        file["davis/left/image_raw"] = np.zeros((2, 48, 64), "u1")
    with h5py.File(tmp_path / "m3ed.h5", "w") as file:
        for side, count in (("left", COUNT), ("right", 20)):
            columns = (t[:count], x[:count], y[:count], p[:count].astype("i1"))
            datasets(file, [f"prophesee/{side}/{name}" for name in "txyp"], columns)
            file[f"prophesee/{side}/calib/resolution"] = [1280, 720]
            file[f"prophesee/{side}/ms_map_idx"] = np.arange(9)
    with pytest.raises(InputError, match="2 streams.*davis/left/events .300 events.*--stream"):
        read_events(tmp_path / "mvsec.hdf5")
    assert_same(read_events(tmp_path / "mvsec.hdf5", stream="left"))
    assert len(read_events(tmp_path / "mvsec.hdf5", stream="davis/right/events").events) == 10
    with pytest.raises(InputError, match="fits several"):
        read_events(tmp_path / "mvsec.hdf5", stream="davis")
    recording = read_events(tmp_path / "m3ed.h5", stream="prophesee/left")
    assert_same(recording)
    assert (recording.width, recording.height) == (1280, 720)
    with pytest.raises(InputError, match="unknown --stream 'lift'"):
        read_events(tmp_path / "m3ed.h5", stream="lift")


def test_columns_of_different_lengths_and_empty_streams(tmp_path):
    t, x, y, p = raw_events()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        datasets(file, [f"events/{n}" for n in "txyp"], (t, x[1:], y, p))
    with pytest.raises(InputError, match="different lengths.*299 in /events/x"):
        read_events(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["events"] = np.zeros((0, 4))
    with pytest.raises(InputError, match="holds no events"):
        read_events(tmp_path / "b.h5")


@pytest.mark.parametrize("minus_one", [255, 65535, 2**32 - 1, 2**64 - 1])
def test_minus_one_stored_unsigned_is_off(minus_one, tmp_path):
    t, x, y, p = raw_events()
    kind = np.min_scalar_type(minus_one)
    stored = np.where(p == 1, np.array(1, kind), np.array(minus_one, kind))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        datasets(file, [f"events/{n}" for n in "txyp"], (t, x, y, stored))
    assert_same(read_events(tmp_path / "a.h5"))
    lines = [f"{a / 1e6:.6f} {b} {c} {d}" for a, b, c, d in zip(t, x, y, stored, strict=True)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    assert_same(read_events(tmp_path / "a.txt"))


def test_zero_and_255_are_off_and_on(tmp_path):
    t, x, y, p = raw_events()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        datasets(file, [f"events/{n}" for n in "txyp"], (t, x, y, (255 * p).astype("u1")))
    assert_same(read_events(tmp_path / "a.h5"))


V2E = """#!events.txt
# This is a text DVS created by v2e (see https://github.com/SensorsINI/v2e)
# Format is time (float s), x, y, polarity (0=off, 1=on) as specified at http://rpg.ifi.uzh.ch
# Creation time: 01:57PM January 26 2021
"""
TEXTS = {
    "rpg": ("64 48\n", " ", "txyp", "s"),
    "v2e": (V2E, " ", "txyp", "s"),
    "names": ("polarity,y,x,timestamp\n", ",", "pyxt", "s"),
    "index": ('"","x","y","p","t"\n', ",", "nxypt", "s"),
    "unit in the name": ("t [us];x [px];y [px];p\n", ";", "txyp", "us"),
    "unit after the name": ("x\ty\tpolarity\ttimestamp_ns\n", "\t", "xypt", "ns"),
    "names in a comment": ("% y x p timestamp\n", " ", "yxpt", "s"),
    "size in a comment": ("# width: 64, height: 48\n", ", ", "txyp", "s"),
    "bom": ("\ufefft,x,y,p\n", ",", "txyp", "s"),
    "xypt": ("", " ", "xypt", "s"),
    "xytp": ("", "\t", "xytp", "us"),
    "ptxy": ("", ",", "ptxy", "us"),
    "title": ("My recording\n", " ", "txyp", "s"),
    "trailing delimiter": ("", ",", "txyp,", "us"),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("words", [("0", "1"), ("-1", "1"), ("False", "True")])
def test_text_layouts(name, words, tmp_path):
    head, delimiter, order, unit = TEXTS[name]
    lines = []
    for number, (t, x, y, p) in enumerate(zip(*raw_events(), strict=True)):
        time = {"s": f"{t / 1e6:.6f}", "us": str(t), "ns": str(1000 * t)}[unit]
        fields = {"t": time, "x": x, "y": y, "p": words[p], "n": number, ",": ""}
        lines.append(delimiter.join(str(fields[key]) for key in order))
    (tmp_path / "a.csv").write_text(head + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    recording = read_events(tmp_path / "a.csv")
    assert_same(recording)
    assert (recording.width, recording.height) == (64, 48)
    nameless = name != "title" and not head and order.strip(",") != "txyp"
    assert nameless == any(note.startswith("columns are read as") for note in recording.notes)


def test_decimal_commas_and_utf_16(tmp_path):
    rows = zip(*raw_events(), strict=True)
    lines = ["t;x;y;p"] + [f"{t / 1e6:.6f};{x};{y};{p}".replace(".", ",") for t, x, y, p in rows]
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="utf-16")
    assert_same(read_events(tmp_path / "a.csv"))


@pytest.mark.parametrize("order", ORDERS)
def test_order_by_content(order):
    columns = dict(zip("txyp", raw_events(), strict=True))
    for kind in (float, np.uint32):
        assert guess_order(np.stack([columns[key] for key in order], 1).astype(kind)) == order


def test_unknown_layouts_are_told_what_was_seen(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["voxels"] = np.zeros((3, 5, 4, 4))
    with pytest.raises(InputError, match=r"sound.*voxels \[3, 5, 4, 4\].*known are") as error:
        read_events(tmp_path / "a.h5")
    assert "again" not in str(error.value)
    (tmp_path / "a.csv").write_text("time,row,column,sign\n0.1,2,3,1\n")
    with pytest.raises(InputError, match="named time, row, column, sign.*names for t, x, y and p"):
        read_events(tmp_path / "a.csv")
    (tmp_path / "b.txt").write_text("0.1 2 3 1 9\n")
    with pytest.raises(InputError, match="5 columns without names"):
        read_events(tmp_path / "b.txt")
