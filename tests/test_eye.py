"""Recordings of eyes as a data set: clips, parts, columns, and classifying a recording."""

from dataclasses import replace

import numpy as np
import pytest

from ttfs_jax import datasets
from ttfs_jax.datasets import simulated_eye
from ttfs_jax.datasets.clips import every_clip
from ttfs_jax.datasets.eye import EyeConfig, check_config, split_sequences, to_dataset
from ttfs_jax.datasets.eye_plan import make_plan
from ttfs_jax.datasets.recordings import Recordings
from ttfs_jax.errors import InputError

CONFIG = EyeConfig(size=8, pool=2, draws=3, test_draws=5)
CLASSES = ("angry", "disgust", "fear")


def recordings(sequences=60, people=12):
    """Make sequences whose frames hold their own number, so that clips can be traced back."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(18, 40, sequences)
    starts = np.cumsum([0, *lengths])
    events = np.zeros((starts[-1], 8, 8), np.int8)
    for s, (begin, end) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
        events[begin:end, s // 8, s % 8] = 1
    return Recordings(
        events=events,
        starts=starts,
        labels=(np.arange(sequences) % 3).astype(np.int32),
        subjects=np.arange(sequences) % people,
        lights=np.array(["normal", "Low"])[np.arange(sequences) % people % 2],
        training=generator.random(sequences) < 0.7,
        classes=CLASSES,
        problems=("one line",),
    )


@pytest.mark.parametrize("split", ["subject-disjoint", "official"])
def test_parts_hold_every_sequence_once_and_people_stay_apart(split):
    whole = recordings()
    parts = split_sequences(whole, replace(CONFIG, split=split), seed=0)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(60))
    people = {name: set(whole.subjects[rows]) for name, rows in parts.items()}
    assert not people["train"] & people["validation"]
    if split == "official":
        np.testing.assert_array_equal(parts["test"], np.flatnonzero(~whole.training))
    else:
        assert not people["test"] & (people["train"] | people["validation"])


def test_every_person_is_tested_in_one_fold():
    whole = recordings()
    tested = [
        set(whole.subjects[split_sequences(whole, replace(CONFIG, fold=n), seed=0)["test"]])
        for n in range(CONFIG.folds)
    ]
    assert sum(map(len, tested)) == 12
    assert set.union(*tested) == set(range(12))


def test_images_belong_to_their_labels_and_columns():
    whole = recordings()
    data = to_dataset("x", whole, CONFIG, seed=3)
    assert data.image_shape == (4, 4, 8)
    assert data.problems == ("one line",)
    for name, draws in (("train", 3), ("validation", 3), ("test", 5)):
        part = getattr(data, name)
        sequence = part.columns["sequence"]
        np.testing.assert_array_equal(part.labels, whole.labels[sequence])
        np.testing.assert_array_equal(part.columns["subject"], whole.subjects[sequence])
        np.testing.assert_array_equal(part.columns["light"], whole.lights[sequence])
        assert np.unique(sequence, return_counts=True)[1].tolist() == [draws] * len(
            np.unique(sequence)
        )
        for image, s in zip(part.images, sequence, strict=True):
            expected = np.zeros((4, 4, 8), np.float32)
            expected[s // 8 // 2, s % 8 // 2, ::2] = 0.25
            np.testing.assert_array_equal(image, expected)
    # No part is in order of people, so that its first images are a fair sample.
    assert (np.diff(data.train.columns["subject"][:36]) < 0).any()
    again = to_dataset("x", whole, CONFIG, seed=3)
    np.testing.assert_array_equal(again.train.images, data.train.images)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pool": 3}, "must divide"),
        ({"frames": 0}, "--eye.frames must be at least 1"),
        ({"code": "rate"}, "unknown --eye.code"),
        ({"split": "random"}, "unknown --eye.split"),
        ({"fold": 5}, "--eye.fold 5"),
    ],
)
def test_bad_options_are_named(change, words):
    with pytest.raises(InputError, match=words):
        check_config(replace(CONFIG, **change))


def test_real_data_needs_a_folder(tmp_path):
    with pytest.raises(InputError, match="needs --data-dir"):
        datasets.load("see")
    with pytest.raises(InputError, match="is not a folder"):
        datasets.load("see", data_dir=tmp_path / "nowhere")


def test_every_clip_by_hand():
    np.testing.assert_array_equal(every_clip(6, frames=2, stride=4), [[0, 4], [1, 5]])
    np.testing.assert_array_equal(every_clip(3, frames=4, stride=1), [[0, 1, 2, 0]])


def test_simulated_set_is_made_once(tmp_path, monkeypatch):
    calls = []
    options = {"seed": 5, "subjects": 8, "size": 8, "cache": tmp_path}
    monkeypatch.setattr(simulated_eye, "make_plan", lambda **o: make_plan(**o)[:6])
    made, light = simulated_eye.generate(
        **options, on_progress=lambda done, total: calls.append((done, total))
    )
    assert calls == [(n, 6) for n in range(1, 7)]
    assert made.events.shape == light.shape == (made.starts[-1], 8, 8)
    assert set(np.unique(made.events)) == {-1, 0, 1}
    again, _ = simulated_eye.generate(**options, on_progress=lambda *_: pytest.fail("made again"))
    np.testing.assert_array_equal(made.events, again.events)
    folder = next(tmp_path.iterdir())
    take = make_plan(seed=5, subjects=8)[2]
    alone = simulated_eye.record(take, 2, seed=5, size=8)
    np.testing.assert_array_equal(made.events[made.starts[2] : made.starts[3]], alone.events)
    assert not list(tmp_path.glob(".*"))
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot write the cache"):
        simulated_eye.generate(**options | {"cache": blocked})
    assert folder.is_dir()
