"""Data sets of tonic: N-MNIST and DVS Gesture in their own layouts, by tonic or a stand-in."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from ttfs_jax import datasets
from ttfs_jax.datasets.eye.dataset import ClipConfig
from ttfs_jax.support.errors import InputError

XYTP = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
CLIPS = ClipConfig(size=8, pool=1, stride=1, draws=1, test_draws=2)
GESTURES = [f"gesture {n}" for n in range(11)]


class NMNIST:
    """Stands in for tonic's class: events of five bytes in Train/<digit>/<number>.bin."""

    classes = [f"{n} - digit" for n in range(10)]
    sensor_size = (34, 34, 2)

    def __init__(self, save_to, train=True):
        folder = Path(save_to, "NMNIST", "Train" if train else "Test")
        self.data = sorted(folder.glob("*/*.bin"))
        self.targets = [int(path.parent.name) for path in self.data]

    def __len__(self):
        return len(self.data)

    def __getitem__(self, number):
        raw = np.fromfile(self.data[number], np.uint8).reshape(-1, 5).astype(int)
        times = (raw[:, 2] & 127) << 16 | raw[:, 3] << 8 | raw[:, 4]
        columns = (raw[:, 0], raw[:, 1], times, raw[:, 2] >> 7)
        return np.rec.fromarrays(columns, XYTP), self.targets[number]


class DVSGesture:
    """Stands in for tonic's class: x, y, p, t in ms in ibmGestureTrain/<user>_<light>/<n>.npy."""

    classes = GESTURES
    sensor_size = (128, 128, 2)

    def __init__(self, save_to, train=True):
        folder = Path(save_to, "DVSGesture", f"ibmGesture{'Train' if train else 'Test'}")
        self.data = sorted(folder.glob("*/*.npy"))
        self.targets = [int(path.stem) for path in self.data]
        self.users = [int(path.parent.name.split("_")[0][4:]) for path in self.data]

    def __len__(self):
        return len(self.data)

    def __getitem__(self, number):
        x, y, p, t = np.load(self.data[number]).T.astype(int)
        return np.rec.fromarrays((x, y, t * 1000, p), XYTP), self.targets[number]


def stand_in():
    """Make a module with the same names as tonic."""
    module = ModuleType("tonic")
    module.datasets = SimpleNamespace(NMNIST=NMNIST, DVSGesture=DVSGesture)
    return module


@pytest.fixture(params=["stand-in", "tonic"])
def tonic(request, monkeypatch):
    if request.param == "tonic":
        module = pytest.importorskip("tonic")
        for kind in (module.datasets.NMNIST, module.datasets.DVSGesture):
            monkeypatch.setattr(kind, "_check_exists", lambda self: True)  # made sets are small
        return module
    module = stand_in()
    monkeypatch.setitem(sys.modules, "tonic", module)
    return module


def some_events(seed, edge, count=200, duration=250_000):
    generator = np.random.default_rng(seed)
    x, y = generator.integers(0, edge, (2, count))
    return x, y, np.sort(generator.integers(0, duration, count)), generator.integers(0, 2, count)


def write_nmnist(root):
    for number in range(60):
        digit, part = number % 10, "Train" if number < 40 else "Test"
        x, y, t, p = some_events(number, 34)
        raw = np.stack([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255], 1).astype(np.uint8)
        folder = root / "NMNIST" / part / str(digit)
        folder.mkdir(parents=True, exist_ok=True)
        raw.tofile(folder / f"{number:05}.bin")
    return root


def write_gestures(root):
    for user, part in ((1, "Train"), (2, "Train"), (3, "Train"), (24, "Test")):
        folder = root / "DVSGesture" / f"ibmGesture{part}" / f"user{user:02}_led"
        folder.mkdir(parents=True)
        for gesture in range(11):
            x, y, t, p = some_events(20 * user + gesture, 128)
            np.save(folder / f"{gesture}.npy", np.stack([x, y, p, t // 1000], 1).astype(float))
    return root


def test_nmnist_in_its_own_layout_and_split(tonic, tmp_path):
    root = write_nmnist(tmp_path)
    (root / "NMNIST" / "Train" / "3" / "99999.bin").write_bytes(b"")
    data = datasets.load_dataset("tonic", set_name="NMNIST", data_dir=root, clips=CLIPS)
    assert (data.name, len(data.classes), data.image_shape) == ("NMNIST", 10, (8, 8, 8))
    parts = (data.train, data.validation, data.test)
    assert [len(part.labels) for part in parts] == [30, 10, 40]
    assert "holds no events" in data.problems[0] and len(data.problems) == 1


def test_gestures_of_a_person_are_in_one_part(tonic, tmp_path):
    root = write_gestures(tmp_path)
    data = datasets.load_dataset(
        "tonic", set_name="DVSGesture", data_dir=root, clips=CLIPS, rate=20.0
    )
    people = [set(part.columns["subject"]) for part in (data.train, data.validation, data.test)]
    assert [len(some) for some in people] == [2, 1, 1] and people[2] == {24}
    assert len(data.classes) == 11 and data.source["rate"] == 20.0


def test_what_is_missing_is_named(tonic, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="needs --set-name: one of .*NMNIST"):
        datasets.load_dataset("tonic", data_dir=tmp_path)
    with pytest.raises(InputError, match="did you mean NMNIST"):
        datasets.load_dataset("tonic", data_dir=tmp_path, set_name="NMNSIT")
    with pytest.raises(InputError, match="needs --data-dir"):
        datasets.load_dataset("tonic", set_name="NMNIST")
    with pytest.raises(InputError, match="none of 0 samples of NMNIST"):
        datasets.load_dataset("tonic", set_name="NMNIST", data_dir=tmp_path)
    monkeypatch.setitem(sys.modules, "tonic", None)
    with pytest.raises(InputError, match=r"pip install 'ttfs-jax\[tonic\]'"):
        datasets.load_dataset("tonic", set_name="NMNIST", data_dir=tmp_path)
