"""Recordings with two cameras, cut short or damaged: what is whole is read, or refused."""

import h5py
import numpy as np
import pytest
from test_event_checks import columns

from ttfs_jax.datasets.events.files import read_events
from ttfs_jax.support.errors import InputError


def write_aedat4(path, cameras):
    """Write events of one or two cameras, each (width, height, count)."""
    import dv_processing as dv

    def store(width, height, count):
        generator = np.random.default_rng(0)
        events = dv.EventStore()
        for n in range(count):
            x, y = int(generator.integers(width)), int(generator.integers(height))
            events.push_back(1_000_000 + 100 * n, x, y, bool(n % 2))
        return events

    one = dv.io.MonoCameraWriter
    if len(cameras) == 1:
        writer = one(str(path), one.EventOnlyConfig("SIM", cameras[0][:2]))
        writer.writeEvents(store(*cameras[0]))
    else:
        sides = [one.Config("left"), one.Config("right")]
        for side, camera in zip(sides, cameras, strict=True):
            side.addEventStream(camera[:2])
        writer = dv.io.StereoCameraWriter(str(path), *sides)
        writer.left.writeEvents(store(*cameras[0]))
        writer.right.writeEvents(store(*cameras[1]))
    del writer


def test_two_cameras_in_aedat4(tmp_path):
    write_aedat4(tmp_path / "a.aedat4", [(64, 48, 1000), (128, 96, 5000)])
    with pytest.raises(InputError, match="2 streams.*0 .64 × 48.*choose one by --stream"):
        read_events(tmp_path / "a.aedat4")
    for stream, shape, count in (("0", (64, 48), 1000), ("1", (128, 96), 5000)):
        recording = read_events(tmp_path / "a.aedat4", stream=stream)
        assert (recording.width, recording.height) == shape
        assert len(recording.events) == count
        assert recording.events["x"].max() == shape[0] - 1


def test_aedat4_cut_short_gives_what_was_whole(tmp_path):
    path = tmp_path / "a.aedat4"
    write_aedat4(path, [(64, 48, 25_000)])  # packets of 10,000 events
    whole, data = read_events(path).events.copy(), path.read_bytes()
    for share, count in ((0.95, 20_000), (0.6, 10_000)):
        path.write_bytes(data[: int(share * len(data))])
        recording = read_events(path)
        np.testing.assert_array_equal(recording.events, whole[:count])
        (note,) = recording.notes
        assert note.startswith("the file is truncated or damaged")
        assert note.endswith(f"read {count} events before that")
    for length in (0, 3, 100, 900, 20_000):
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match="cannot be read"):
            read_events(path)


@pytest.mark.parametrize("seed", range(12))
def test_damaged_aedat4_never_ends_the_process(seed, tmp_path):
    path = tmp_path / "a.aedat4"
    write_aedat4(path, [(64, 48, 2000)])
    generator, data = np.random.default_rng(seed), bytearray(path.read_bytes())
    for _ in range(3):
        data[int(generator.integers(1500 if seed % 2 else len(data)))] ^= int(
            generator.integers(1, 256)
        )
    path.write_bytes(data)
    try:
        recording = read_events(path)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert len(recording.events)


def test_a_decoder_that_aborts_is_an_error(tmp_path, monkeypatch):
    from ttfs_jax.datasets.events import aedat4

    decoder = tmp_path / "aborts.py"
    decoder.write_text("import os\nos.abort()\n")
    monkeypatch.setattr(aedat4, "DECODER", decoder)
    (tmp_path / "a.aedat4").write_bytes(b"x")
    with pytest.raises(InputError, match="decoder ended with status -6"):
        read_events(tmp_path / "a.aedat4")


def test_damaged_hdf5_is_told(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for key, column in zip("txyp", columns(), strict=True):
            file.create_dataset(f"events/{key}", data=column, compression="gzip")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="cannot be read .*truncated"):
        read_events(path)
    path.write_bytes(data[:20_000] + bytes(2000) + data[22_000:])
    with pytest.raises(InputError, match="cannot be read"):
        read_events(path)
