"""Recordings of eyes as a data set: clips, parts, columns, and classifying a recording."""

from dataclasses import replace

import numpy as np
import pytest
from eye_recordings import CONFIG, recordings

from ttfs_jax import datasets
from ttfs_jax.datasets.eye.clips import every_clip
from ttfs_jax.datasets.eye.dataset import check_config, dataset_of_recordings, split_sequences
from ttfs_jax.support.errors import InputError


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
    data = dataset_of_recordings("x", whole, CONFIG, seed=3)
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
    again = dataset_of_recordings("x", whole, CONFIG, seed=3)
    np.testing.assert_array_equal(again.train.images, data.train.images)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pool": 3}, "must divide"),
        ({"frames": 0}, "--eye.frames must be a whole number from 1 to 10000, not 0"),
        ({"size": 0}, "--eye.size must be"),
        ({"size": 48.0}, "--eye.size must be"),
        ({"size": 10**6}, "--eye.size must be"),
        ({"pool": 0}, "--eye.pool must be"),
        ({"stride": -1}, "--eye.stride must be"),
        ({"draws": True}, "--eye.draws must be"),
        ({"test_draws": 0}, "--eye.test-draws must be"),
        ({"folds": 1}, "--eye.folds must be a whole number from 2"),
        ({"fold": -1}, "--eye.fold must be a whole number from 0 to 4"),
        ({"subjects": 7}, "--eye.subjects must be a whole number from 8"),
        ({"simulator_seed": -1}, "--eye.simulator-seed must be"),
        (
            {"simulator_seed": 2**32},
            "--eye.simulator-seed must be a whole number from 0 to 4294967295",
        ),
        ({"code": "rate"}, "unknown --eye.code"),
        ({"split": "random"}, "unknown --eye.split"),
        ({"fold": 5}, "--eye.fold must be a whole number from 0 to 4, not 5"),
    ],
)
def test_bad_options_are_named(change, words):
    with pytest.raises(InputError, match=words):
        check_config(replace(CONFIG, **change))


def test_real_data_needs_a_folder(tmp_path):
    with pytest.raises(InputError, match="needs --data-dir"):
        datasets.load_dataset("see")
    with pytest.raises(InputError, match="is not a folder"):
        datasets.load_dataset("see", data_dir=tmp_path / "nowhere")


def test_every_clip_by_hand():
    np.testing.assert_array_equal(every_clip(6, frames=2, stride=4), [[0, 4], [1, 5]])
    np.testing.assert_array_equal(every_clip(3, frames=4, stride=1), [[0, 1, 2, 0]])


def test_too_few_people_are_named():
    with pytest.raises(InputError, match="5 people are left for training and validation"):
        split_sequences(recordings(people=10), replace(CONFIG, folds=2), seed=0)
