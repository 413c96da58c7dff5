"""The folder of a run: names as they are, full and read-only disks, a log that stays its own."""

import errno
import os

import numpy as np
import pytest

from search import evolve, pipeline
from search.config import Config
from search.loop.run_directory import LOG, METRICS, RunDirectory, make_room
from search.presets import preset
from search.saved_config import read_config
from ttfs_jax.support.errors import InputError

NAMES = ("plain", "a.b", "a.b.c", "seeds [0, 1]", "take[red]", "a[", ":warning: $x$ {y} %s")


def lines(path):
    return [line.split(" ", 2)[2] for line in (path / LOG).read_text().splitlines()]


def test_every_run_has_a_log_of_its_own(tmp_path):
    runs = [RunDirectory.create(tmp_path / name, Config()) for name in NAMES]
    for run in runs:
        run.log.info("from %s", run.path.name)
    for name, run in zip(NAMES, runs, strict=True):
        assert lines(run.path) == [f"from {name}"]
        assert read_config(run.path) == Config()


def test_a_folder_made_again_gets_a_new_log(tmp_path):
    first = RunDirectory.create(tmp_path / "run", Config())
    first.log.info("old")
    (first.path / LOG).unlink()
    again = RunDirectory(first.path)
    again.log.info("new")
    assert lines(again.path) == ["new"]


def test_a_finished_run_is_left_as_it_is(tmp_path, monkeypatch):
    run = RunDirectory.create(tmp_path / "run", Config())
    run.add_seconds("data", 1.0)
    run.write_json(METRICS, {})
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    again = RunDirectory(run.path)
    assert again.finished and again.writes
    again.log.info("more")
    again.add_seconds("data", 2.0)
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert not RunDirectory(run.path).writes


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_room_is_made_sure_of(tmp_path, monkeypatch):
    make_room(tmp_path, 1000)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        make_room(tmp_path, 1000)
    assert not list(tmp_path.iterdir())
    run = RunDirectory.create(tmp_path / "run", Config())
    with pytest.raises(OSError, match="No space left"):
        run.save(run.checkpoint("x"), {"a": np.zeros(3)}, meta={})
    monkeypatch.delattr(os, "posix_fallocate")
    make_room(tmp_path, 1000)
    with pytest.raises(OSError, match="No space left"):
        make_room(tmp_path, 2**60)


def test_a_full_disk_ends_in_one_line_that_names_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pipeline, "_stages", full)
    run = tmp_path / "seeds [0, 1]"
    with pytest.raises(SystemExit, match="2"):
        evolve.main(["--data=digits", "--preset=smoke", f"--run-dir={run}"])
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1 and "No space left on device" in shown.err
    assert f"continue with --resume {run}" in shown.err
    assert "seeds [0, 1]" in " ".join(shown.out.split())
    assert read_config(run) == preset("digits", "smoke")


def test_a_run_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(type(tmp_path), "mkdir", refuse)
    with pytest.raises(InputError, match="Read-only file system"):
        RunDirectory.create(tmp_path / "run", Config())
