"""Recordings on disk: every format gives the same events, and frames like the simulator's."""

import h5py
import jax
import numpy as np
import pytest

from ttfs_jax.datasets.events import camera as event_camera
from ttfs_jax.datasets.events import source
from ttfs_jax.datasets.events.camera import CameraConfig
from ttfs_jax.datasets.events.files import EVENT, EventFile, read_events, to_frames
from ttfs_jax.support.errors import InputError

WIDTH, HEIGHT = 20, 16


def some_events(count=400, seed=0):
    generator = np.random.default_rng(seed)
    events = np.zeros(count, EVENT)
    # Whole microseconds, so that every format can hold them.
    events["t"] = np.sort(generator.choice(500_000, count, replace=False)) * 1e-6 + 3.0
    events["x"] = generator.integers(0, WIDTH, count)
    events["y"] = generator.integers(0, HEIGHT, count)
    events["x"][0], events["y"][0] = WIDTH - 1, HEIGHT - 1
    events["p"] = generator.integers(0, 2, count)
    return events


def write_aedat4(path, events):
    import dv_processing as dv

    store = dv.EventStore()
    for t, x, y, p in events:
        store.push_back(round(t * 1e6), int(x), int(y), bool(p))
    config = dv.io.MonoCameraWriter.EventOnlyConfig("SIM", (WIDTH, HEIGHT))
    writer = dv.io.MonoCameraWriter(str(path), config)
    writer.writeEvents(store)
    del writer


def write_prophesee(path, events):
    kind = [("x", "u2"), ("y", "u2"), ("p", "i2"), ("t", "i8")]
    table = np.zeros(len(events), kind)
    for name in "xyp":
        table[name] = events[name]
    table["t"] = np.rint(events["t"] * 1e6)
    with h5py.File(path, "w") as file:
        file["CD/events"] = table


def write_dsec(path, events):
    with h5py.File(path, "w") as file:
        for name in "xyp":
            file[f"events/{name}"] = events[name]
        file["events/t"] = np.rint(events["t"] * 1e6).astype(np.uint32)


def write_text(path, events):
    np.savetxt(path, np.stack([events[n].astype(float) for n in "txyp"], 1), fmt="%.6f")


WRITERS = {
    "a.aedat4": write_aedat4,
    "a.h5": write_prophesee,
    "b.hdf5": write_dsec,
    "a.txt": write_text,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_events(name, tmp_path):
    events = some_events()
    WRITERS[name](tmp_path / name, events)
    found = read_events(tmp_path / name)
    assert (found.width, found.height) == (WIDTH, HEIGHT)
    np.testing.assert_allclose(found.events["t"], events["t"], atol=1e-9)
    for column in "xyp":
        np.testing.assert_array_equal(found.events[column], events[column])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.txt", None, "is not a file"),
        ("a.bag", b"x", "unknown kind of recording"),
        ("a.aedat4", b"hello", "cannot be read"),
        ("a.h5", b"hello", "cannot be read"),
        ("a.txt", b"0.1 2 3\n", "3 columns"),
        ("a.txt", b"0.1 2 three 1\n", "cannot be read"),
        ("a.txt", b"0.1 -2 3 1\n", "1 of 1 events are bad.*negative coordinates"),
        ("a.txt", b"0.1 2.5 3 1\n", "no pixel numbers"),
        ("a.csv", b"nan,2,3,1\n", "not finite"),
        ("a.txt", b"# t x y p\n", "no events"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_bad_files_are_named(name, content, words, tmp_path):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_events(path)


def test_missing_groups_and_packages_are_named(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["other"] = np.zeros(3)
    with pytest.raises(InputError, match=r"it holds other \[3\]; known are CD/events"):
        read_events(tmp_path / "a.h5")

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(source.importlib, "import_module", missing)
    with pytest.raises(InputError, match="pip install"):
        read_events(tmp_path / "a.h5")


def test_frames_by_hand():
    events = np.array(
        [(1.0, 4, 2, 1), (1.02, 4, 2, 1), (1.02, 5, 3, 0), (1.04, 4, 2, 0), (1.04, 0, 0, 1)], EVENT
    )
    recording = EventFile(events, width=8, height=4)
    frames = to_frames(recording, size=4)  # the middle square begins at x = 2
    assert frames.shape == (2, 4, 4)
    assert frames[0, 2, 2] == 1
    assert frames[0, 3, 3] == frames[1, 2, 2] == -1
    assert np.abs(frames).sum() == 3  # the event at x = 0 is outside
    halved = to_frames(recording, size=2)
    assert halved[0, 1, 1] == 1  # two ON events and one OFF event share a cell
    assert to_frames(recording, size=2, crop=(0, 0, 2))[1, 0, 0] == 1
    with pytest.raises(InputError, match="leaves the sensor"):
        to_frames(recording, size=2, crop=(6, 0, 4))
    with pytest.raises(InputError, match="smaller than .* of 5: choose .* by --sensor"):
        to_frames(recording, size=5)
    with pytest.raises(InputError, match="sees 0 of 5 events.*x 0 to 5, y 0 to 3"):
        to_frames(recording, size=2, crop=(6, 0, 2))


def test_frames_are_those_of_the_simulator():
    camera, size, substeps, count = CameraConfig(), 12, 10, 3
    duration = 1.0 / (30 * substeps)
    keys = jax.random.split(jax.random.key(0), 3)
    pixels = event_camera.make_pixels(keys[0], (size, size), camera)
    images = jax.random.uniform(keys[1], (count * substeps + 1, size, size), minval=0.2)
    step = jax.jit(event_camera.step, static_argnames=("duration", "config"))
    state, listed, balances = event_camera.start_sensor(keys[2], images[0], camera), [], []
    for n in range(count * substeps):
        state, events = step(state, images[n + 1], duration=duration, pixels=pixels, config=camera)
        balances.append(event_camera.balance(events))
        listed.append(event_camera.event_list(events, begin=n * duration))
    theirs = np.sign(np.array(balances).reshape(count, substeps, size, size).sum(1))
    every = np.concatenate(listed)
    assert len(every) > 500
    # A recording begins with its first event: a pair at 0 that cancels out keeps the clocks equal.
    pair = np.zeros(2, EVENT)
    pair["p"] = [1, 0]
    recording = EventFile(np.concatenate([pair, every]), size, size)
    np.testing.assert_array_equal(to_frames(recording, size=size), theirs)
    assert np.abs(theirs).mean() > 0.3
