"""Bad data and damaged checkpoints are named; good ones come back bit for bit."""

import dataclasses
import gzip

import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax import datasets
from ttfs_jax.datasets import idx
from ttfs_jax.datasets.base import check_split
from ttfs_jax.support import checkpoint
from ttfs_jax.support.errors import InputError


def test_digits_are_split_without_overlap():
    data = datasets.load_dataset("digits")
    assert [len(s.labels) for s in (data.train, data.validation, data.test)] == [1077, 360, 360]
    again = datasets.load_dataset("digits")
    np.testing.assert_array_equal(data.test.images, again.test.images)


def test_a_loader_takes_its_own_options_and_its_data_are_checked(monkeypatch):
    def load(options, *, split_seed):
        assert (split_seed, options.data_dir) == (3, "here")
        digits = datasets.load_dataset("digits", split_seed=split_seed)
        return dataclasses.replace(digits, name="mine", classes=digits.classes[:9])

    entry = datasets.DatasetEntry(load, datasets.DATASETS["fashion-mnist"].options)
    monkeypatch.setitem(datasets.DATASETS, "mine", entry)
    with pytest.raises(InputError, match="mine train labels must be within 0 and 8"):
        datasets.load_dataset("mine", split_seed=3, data_dir="here")


def test_bad_files_are_named(tmp_path):
    header = b"\x00\x00\x08\x01\x00\x00\x00\x04"
    (tmp_path / "a").write_bytes(header + b"abc")
    (tmp_path / "b.gz").write_bytes(gzip.compress(header + b"abcd")[:-6])
    (tmp_path / "c.gz").write_bytes(gzip.compress(header + b"abcd"))
    for name, words in (("a", "truncated"), ("b", "truncated"), ("d", "missing")):
        with pytest.raises(InputError, match=words):
            idx.read_idx(tmp_path / name)
    assert idx.read_idx(tmp_path / "c").tolist() == list(b"abcd")
    with pytest.raises(InputError, match="--data-dir"):
        datasets.load_dataset("fashion-mnist", data_dir=tmp_path / "nowhere")
    with pytest.raises(InputError, match="did you mean digits"):
        datasets.load_dataset("digit")


def test_bad_pixels_and_lengths_are_named():
    images, labels = np.zeros((2, 4, 4, 1), np.float32), np.zeros(2, np.int32)
    with pytest.raises(InputError, match="NaN"):
        check_split("x", images * np.nan, labels, 2)
    with pytest.raises(InputError, match="2 images but 1 labels"):
        check_split("x", images, labels[:1], 2)


def test_checkpoint_round_trip_and_damage(tmp_path):
    tree = {"a": jnp.arange(3.0), "n": jnp.array(7)}
    checkpoint.save(tmp_path / "c", tree, meta={"epoch": 3})
    back, meta = checkpoint.restore(tmp_path / "c", tree)
    np.testing.assert_array_equal(back["a"], tree["a"])
    assert meta == {"epoch": 3}
    with pytest.raises(InputError, match="exists"):
        checkpoint.save(tmp_path / "c", tree, meta={})
    with pytest.raises(InputError, match="not a ttfs-jax checkpoint"):
        checkpoint.read_meta(tmp_path)
    largest = max((tmp_path / "c" / "tree").rglob("*"), key=lambda p: p.stat().st_size)
    largest = largest if largest.is_file() else next((tmp_path / "c" / "tree").rglob("_*"))
    largest.write_bytes(largest.read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged"):
        checkpoint.restore(tmp_path / "c", tree)
