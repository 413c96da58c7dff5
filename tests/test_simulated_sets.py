"""Simulated sets: every seed works, a cache holds what is asked for, and nothing is half made."""

import errno
import itertools
import os
from dataclasses import replace

import jax
import numpy as np
import pytest
from eye_recordings import CONFIG, recordings

from ttfs_jax import datasets
from ttfs_jax.datasets import digits, fashion_mnist, make_eye
from ttfs_jax.datasets.events.camera import CameraConfig
from ttfs_jax.datasets.eye import simulated
from ttfs_jax.datasets.eye.clips import draw_clips
from ttfs_jax.datasets.eye.dataset import dataset_of_recordings, draw_parts, split_sequences
from ttfs_jax.datasets.eye.motion import MotionConfig
from ttfs_jax.datasets.eye.plan import MOST_SUBJECTS, plan_takes
from ttfs_jax.datasets.eye.simulator import Recording
from ttfs_jax.support.errors import InputError


@pytest.mark.slow
def test_simulated_set_is_made_once(tmp_path, monkeypatch):
    calls = []
    options = {"seed": 5, "subjects": 8, "size": 8, "cache": tmp_path}
    monkeypatch.setattr(simulated, "plan_takes", lambda **o: plan_takes(**o)[:6])
    made, light = simulated.generate(
        **options, on_progress=lambda done, total: calls.append((done, total))
    )
    assert calls == [(n, 6) for n in range(1, 7)]
    assert made.events.shape == light.shape == (made.starts[-1], 8, 8)
    assert set(np.unique(made.events)) == {-1, 0, 1}
    again, _ = simulated.generate(**options, on_progress=lambda *_: pytest.fail("made again"))
    np.testing.assert_array_equal(made.events, again.events)
    folder = next(tmp_path.iterdir())
    take = plan_takes(seed=5, subjects=8)[2]
    alone = simulated.record(take, 2, seed=5, size=8)
    np.testing.assert_array_equal(made.events[made.starts[2] : made.starts[3]], alone.events)
    assert not list(tmp_path.glob(".*"))
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot write the cache"):
        simulated.generate(**options | {"cache": blocked})
    assert folder.is_dir()


SEEDS = (0, 20240131, 2**32 - 1)
OUTSIDE = (-1, 2**32, 1.5, None)


@pytest.mark.parametrize("seed", OUTSIDE)
@pytest.mark.parametrize(
    "start",
    [
        lambda seed, path: datasets.load_dataset("digits", split_seed=seed),
        lambda seed, path: datasets.load_dataset("see", split_seed=seed, data_dir=path),
        lambda seed, path: datasets.load_dataset("eye", eye=replace(CONFIG, simulator_seed=seed)),
        lambda seed, path: digits.load_digits(split_seed=seed),
        lambda seed, path: fashion_mnist.load_fashion_mnist(split_seed=seed),
        lambda seed, path: split_sequences(recordings(), CONFIG, seed=seed),
        lambda seed, path: dataset_of_recordings("x", recordings(), CONFIG, seed=seed),
        lambda seed, path: simulated.generate(seed=seed, cache=path),
        lambda seed, path: simulated.record(TAKE, 0, seed=seed, size=8),
        lambda seed, path: make_eye.write_eye(path, seed=seed),
        lambda seed, path: plan_takes(seed=seed),
    ],
)
def test_a_seed_outside_the_range_is_refused_at_once(start, seed, tmp_path):
    with pytest.raises(InputError, match="seed must be .* 4294967295"):
        start(seed, tmp_path)
    assert not list(tmp_path.iterdir())


TAKE = plan_takes(seed=0, subjects=8)[0]


@pytest.mark.slow
def test_every_seed_in_the_range_works_and_has_its_own_people_and_takes():
    plans = [[t.name for t in plan_takes(seed=seed, subjects=8)] for seed in SEEDS]
    events = [simulated.record(TAKE, 0, seed=seed, size=8).events for seed in SEEDS]
    clips, tests = [], []
    for seed in SEEDS:
        assert len(digits.load_digits(split_seed=seed).test.labels) == 360
        parts = draw_parts(recordings(), CONFIG, seed=seed)
        clips.append(parts["train"].rows)
        tests.append(parts["test"].sequence)
    for values in (plans, events, clips, tests):
        assert all(not np.array_equal(values[a], values[b]) for a in range(3) for b in range(a))


def test_people_of_one_set_differ_however_large_the_seed():
    subjects = np.arange(1, MOST_SUBJECTS + 1, dtype=np.uint64)
    with_overflow = (np.uint64(2**32 - 1) * np.uint64(100_003) + subjects) % np.uint64(2**32)
    assert len(set(with_overflow.tolist())) == MOST_SUBJECTS
    one = [
        simulated.record(replace(TAKE, subject=n), 0, seed=2**32 - 1, size=8).light for n in (1, 2)
    ]
    assert not np.array_equal(*one)


def test_clips_of_seeds_that_differ_above_32_bits_differ():
    lengths = np.full(50, 60)
    one, other = (
        draw_clips(lengths, draws=2, frames=4, stride=4, seed=seed) for seed in (5, 5 + 2**32)
    )
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: (entry / "light.npy").unlink(),
        lambda entry: os.truncate(entry / "events.npy", 1000),
        lambda entry: (entry / "events.npy").write_bytes(b""),
    ],
)
def test_a_damaged_simulated_set_is_made_anew(tmp_path, few, damage):
    first, light = few(tmp_path)
    expected = np.array(first.events), np.array(light)
    (entry,) = tmp_path.iterdir()
    damage(entry)
    again, light = few(tmp_path)
    np.testing.assert_array_equal(again.events, expected[0])
    np.testing.assert_array_equal(light, expected[1])
    assert list(tmp_path.iterdir()) == [entry]


@pytest.fixture
def few(monkeypatch):
    """Simulate two takes of 8 × 8 pixels."""
    monkeypatch.setattr(simulated, "plan_takes", lambda **o: plan_takes(**o)[:2])
    return lambda cache, **o: simulated.generate(
        **{"seed": 5, "subjects": 8, "size": 8, "cache": cache} | o
    )


def test_whatever_changes_the_simulation_is_kept_apart(tmp_path, few, monkeypatch):
    monkeypatch.setattr(simulated, "record", record_nothing)

    def entries():
        few(tmp_path)
        return len(list(tmp_path.iterdir()))

    assert entries() == entries() == 1
    monkeypatch.setattr(simulated, "plan_takes", lambda **o: plan_takes(**o)[:3])
    assert entries() == 2
    monkeypatch.setattr(simulated, "MOTION", MotionConfig(blink_rate=2.0))
    assert entries() == 3
    monkeypatch.setattr(simulated, "CAMERA", CameraConfig(leak_rate=1.0))
    assert entries() == 4
    with jax.threefry_partitionable(not jax.config.jax_threefry_partitionable):
        assert entries() == 5
    with jax.enable_x64(True):
        assert entries() == 6
    source = tmp_path.parent / f"{tmp_path.name}.py"
    source.write_text("# another formula")
    monkeypatch.setattr(simulated.face, "__file__", str(source))
    assert entries() == 7


def record_nothing(take, number, *, seed, size):
    shape = (take.length, size, size)
    return Recording(np.zeros(shape, np.int8), np.zeros(shape, np.uint8))


def test_a_full_disk_ends_the_simulation_with_a_line(tmp_path, few, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match="cannot write the cache .*No space left"):
        few(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_set_that_cannot_be_finished_is_removed(tmp_path, monkeypatch, error, empty):
    numbers = itertools.count(1)  # several threads save

    def save(image, path, **_):
        path.write_bytes(b"")
        if next(numbers) == 30:
            raise error

    monkeypatch.setattr(make_eye, "record", record_nothing)
    monkeypatch.setattr(make_eye.Image.Image, "save", save)
    out = tmp_path / "parent" / "eye"
    if empty:
        out.mkdir(parents=True)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else InputError
    with pytest.raises(expected, match="cannot write .* has space|^$"):
        make_eye.write_eye(out, subjects=8, size=8, limit=3)
    assert out.exists() == empty
    assert not empty or not list(out.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"subjects": 0}, "subjects must be a whole number from 8"),
        ({"size": 0}, "size must be a whole number from 1 to 4096"),
        ({"size": 5000}, "size must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_options_of_a_set_are_checked_first(tmp_path, capsys, options, words):
    out = tmp_path / "eye"
    with pytest.raises(SystemExit, match="2"):
        make_eye.main([f"--out={out}", *(f"--{name}={value}" for name, value in options.items())])
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not out.exists()


def test_what_is_in_a_folder_already_stays(tmp_path):
    (tmp_path / "event").mkdir()
    (tmp_path / "event" / "mine").write_text("")
    with pytest.raises(InputError, match="not an empty folder"):
        make_eye.write_eye(tmp_path, subjects=8, size=8, limit=1)
    assert (tmp_path / "event" / "mine").exists()
    with pytest.raises(InputError, match="cannot write"):
        make_eye.write_eye(tmp_path / "event" / "mine" / "eye", subjects=8, size=8, limit=1)
