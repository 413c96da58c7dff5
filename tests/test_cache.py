"""Entries of a cache: they are whole, and a full disk, an interrupt or a rival ends well."""

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from ttfs_jax.support import array_file
from ttfs_jax.support.array_file import map_array, reserved_array
from ttfs_jax.support.cache_entry import PARTIAL, load_or_make
from ttfs_jax.support.errors import InputError

SHAPE = (6, 2, 3)


def test_rows_go_where_they_belong(tmp_path):
    path = tmp_path / "a.npy"
    values = np.arange(36, dtype=np.uint8).reshape(SHAPE)
    with reserved_array(path, np.uint8, SHAPE) as put:
        put(4, values[4:])
        put(0, values[:3])
    expected = values.copy()
    expected[3] = 0
    np.testing.assert_array_equal(np.load(path), expected)
    np.testing.assert_array_equal(map_array(path, np.uint8, SHAPE), expected)
    for dtype, shape in ((np.int8, SHAPE), (np.uint8, (6, 3, 2)), (np.uint8, (5, 2, 3))):
        with pytest.raises(ValueError, match="damaged or holds something else"):
            map_array(path, dtype, shape)


@pytest.mark.parametrize(
    ("first", "rows"),
    [
        (5, np.zeros((2, 2, 3), np.uint8)),
        (-1, np.zeros((1, 2, 3), np.uint8)),
        (0, np.zeros((1, 3, 2), np.uint8)),
        (0, np.zeros((1, 2, 3), np.int8)),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path, first, rows):
    with reserved_array(tmp_path / "a.npy", np.uint8, SHAPE) as put:
        with pytest.raises(ValueError, match="does not fit"):
            put(first, rows)


def test_space_is_taken_before_the_first_row(tmp_path):
    with reserved_array(tmp_path / "a.npy", np.uint8, (1 << 20, 2)) as put:
        assert (tmp_path / "a.npy").stat().st_blocks * 512 >= 2 << 20
        put(0, np.ones((1, 2), np.uint8))


@pytest.mark.parametrize("reason", [AttributeError(), OSError(errno.EOPNOTSUPP, "no")])
def test_space_is_taken_by_zeros_where_it_cannot_be_reserved(tmp_path, monkeypatch, reason):
    def refuse(*_):
        raise reason

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with reserved_array(tmp_path / "a.npy", np.uint8, (3 << 20,)) as put:
        assert (tmp_path / "a.npy").stat().st_blocks * 512 >= 3 << 20
        put(7, np.ones(1, np.uint8))
    assert np.flatnonzero(np.load(tmp_path / "a.npy")).tolist() == [7]


def fill(entry):
    with reserved_array(entry / "a.npy", np.uint8, SHAPE) as put:
        put(2, np.full((1, 2, 3), 9, np.uint8))


def load(entry):
    return map_array(entry / "a.npy", np.uint8, SHAPE)


def get(*folders, make=fill, size=100):
    return load_or_make(folders, "entry", load=load, make=make, size=size)


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("place", ["reserve", "write", "statvfs"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, place):
    if place == "reserve":
        monkeypatch.setattr(os, "posix_fallocate", full)
    if place == "statvfs":
        usage = SimpleNamespace(total=10**9, free=99)
        monkeypatch.setattr(array_file.shutil, "disk_usage", lambda _: usage)

    def make(entry):
        fill(entry)
        if place == "write":
            full()

    with pytest.raises(InputError, match=r"cannot write the cache .*: set XDG_CACHE_HOME") as error:
        get(tmp_path, make=make)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_an_interrupt_leaves_nothing(tmp_path):
    def make(entry):
        fill(entry)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(tmp_path, make=make)
    assert not list(tmp_path.iterdir())


def test_what_killed_processes_left_is_removed_after_a_day(tmp_path):
    old, young, other = (tmp_path / n for n in (f"{PARTIAL}1", f"{PARTIAL}2", ".another-1"))
    for folder in (old, young, other):
        folder.mkdir()
        (folder / "a.npy").write_bytes(b"half")
    yesterday = time.time() - 25 * 3600
    for path in (old / "a.npy", old, young, other / "a.npy", other):
        os.utime(path, (yesterday, yesterday))
    get(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"entry", young.name, other.name}


def test_of_several_at_once_all_get_the_same(tmp_path):
    start = threading.Barrier(4)
    results = []

    def make(entry):
        fill(entry)
        start.wait()

    threads = [
        threading.Thread(target=lambda: results.append(get(tmp_path, make=make))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [values[2, 0, 0] for values in results] == [9] * 4
    assert [p.name for p in tmp_path.iterdir()] == ["entry"]


def test_a_damaged_entry_that_another_process_has_mended_is_kept(tmp_path):
    (tmp_path / "entry").mkdir()

    def make(entry):
        fill(entry)
        (tmp_path / "entry").rmdir()
        shutil.copytree(entry, tmp_path / "entry")
        os.utime(tmp_path / "entry" / "a.npy", (1, 1))

    get(tmp_path, make=make)
    assert (tmp_path / "entry" / "a.npy").stat().st_mtime == 1


def test_what_a_folder_that_is_only_read_holds_is_used(tmp_path):
    shared, own = tmp_path / "shared", tmp_path / "own"
    get(shared)
    assert get(shared, own, make=lambda _: pytest.fail("made again"))[2, 0, 0] == 9
    (shared / "entry" / "a.npy").write_bytes(b"")
    assert get(shared, own)[2, 0, 0] == 9
    assert (own / "entry").is_dir()


FILL = """
import numpy as np, sys
from pathlib import Path
from ttfs_jax.support.array_file import reserved_array
from ttfs_jax.support.cache_entry import load_or_make
from ttfs_jax.support.command import one_line_errors
def make(entry):
    with reserved_array(entry / "a.npy", np.uint8, (1 << 23,)) as put:
        put(0, np.ones(1 << 23, np.uint8))
with one_line_errors():
    load_or_make((Path(sys.argv[1]),), "entry", load=lambda entry: entry.stat(), make=make, size=0)
"""


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("mount"), reason="mounts a small disk")
def test_a_really_full_disk_ends_in_one_line(tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)], check=False
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        command = [sys.executable, "-c", FILL, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        remains = list(tmp_path.iterdir())
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "cannot write the cache" in line and "GB needed" in line
    assert not remains
