"""Where caches are without a home or a disk, and the two caches that only save time."""

import errno
import json
import os
import time
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax.population.lanes import fastest_lanes
from ttfs_jax.support import cache_folder, compilation_cache
from ttfs_jax.support.errors import InputError


@pytest.fixture(autouse=True)
def fresh():
    """Forget what earlier tests were told and which temporary folder they had."""
    for remembered in (cache_folder.say, cache_folder._temporary):
        remembered.cache_clear()
    yield
    for remembered in (cache_folder.say, cache_folder._temporary):
        remembered.cache_clear()


@pytest.fixture
def homeless(tmp_path, monkeypatch):
    """Take the home folder away; temporary files go to tmp_path."""

    def fail():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("ttfs_jax.support.cache_folder.Path.home", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_home_that_can_be_written_is_the_only_folder(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    assert cache_folder.cache_folders("x") == (tmp_path / "new" / "ttfs-jax" / "x",)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder.cache_folder("x") == tmp_path / ".cache" / "ttfs-jax" / "x"
    assert not list(tmp_path.iterdir()) and not caplog.records


def test_without_a_home_caches_are_temporary_and_that_is_said_once(homeless, caplog):
    expected = homeless / f"ttfs-jax-{os.getuid()}" / "x"
    assert cache_folder.cache_folder("x") == cache_folder.cache_folder("x") == expected
    (record,) = caplog.records
    assert "no home folder is known" in record.getMessage()
    assert "XDG_CACHE_HOME" in record.getMessage()
    assert expected.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("obstacle", ["file", "dangling link", "read-only"])
def test_a_home_that_cannot_be_written_is_only_read(homeless, monkeypatch, caplog, obstacle):
    home = homeless / "home"
    if obstacle == "file":
        home.write_text("")
    if obstacle == "dangling link":
        home.symlink_to(homeless / "nowhere")
    if obstacle == "read-only":
        home.mkdir()
        reachable = os.access
        monkeypatch.setattr(os, "access", lambda p, m: str(p) != str(home) and reachable(p, m))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    first, second = cache_folder.cache_folders("x")
    assert first == home / "ttfs-jax" / "x"
    assert second == homeless / f"ttfs-jax-{os.getuid()}" / "x"
    assert [r.getMessage() for r in caplog.records][0].startswith(f"{home}/ttfs-jax cannot be")
    second.mkdir()  # can be written


def test_a_temporary_folder_of_a_stranger_is_not_used(homeless):
    stranger = homeless / "stranger"
    stranger.mkdir()
    (homeless / f"ttfs-jax-{os.getuid()}").symlink_to(stranger)
    folder = cache_folder.cache_folder("x").parent
    assert folder.parent == homeless and folder not in (stranger, homeless / stranger.name)
    assert not folder.is_symlink()


def test_without_any_folder_the_reason_is_one_line(homeless, monkeypatch, caplog):
    monkeypatch.setattr("tempfile.tempdir", str(homeless / "nowhere"))
    with pytest.raises(InputError, match="set XDG_CACHE_HOME"):
        cache_folder.cache_folder("x")
    # These two caches only save time.
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    before = compilation_settings()
    assert compilation_cache.enable() is None
    assert "compiled programs are not kept" in caplog.records[-1].getMessage()
    restore(before)
    members = np.zeros(4, np.float32)
    assert fastest_lanes(jnp.add, members, np.float32(1), name="x", candidates=(1,)) == 1


NAMES = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


def compilation_settings():
    return {name: getattr(jax.config, name) for name in NAMES}


def restore(settings):
    for name, value in settings.items():
        jax.config.update(name, value)


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    before = compilation_settings()
    yield
    restore(before)


def test_programs_cut_short_are_removed_once(tmp_path, settings):
    whole = zlib.compress(bytes(range(256)) * 40)
    kept, short, empty, foreign = (tmp_path / f"{n}-cache" for n in "abcd")
    kept.write_bytes(whole)
    short.write_bytes(whole[:-3])
    empty.write_bytes(b"")
    foreign.write_bytes(b"no program")
    assert compilation_cache.enable(tmp_path) == tmp_path
    assert [p.name for p in tmp_path.glob("*-cache")] == [kept.name]
    hour = time.time() - 3600  # looked at before: not read again
    kept.write_bytes(b"")
    os.utime(kept, (hour, hour))
    compilation_cache.enable(tmp_path)
    assert kept.exists()
    kept.write_bytes(b"")
    compilation_cache.enable(tmp_path)
    assert not kept.exists()


@pytest.mark.parametrize("obstacle", ["file", "full", "chosen"])
def test_a_compilation_cache_that_cannot_be_written_is_not_fatal(
    tmp_path, settings, monkeypatch, caplog, obstacle
):
    blocked = tmp_path / "blocked"
    expected = None
    if obstacle == "full":
        monkeypatch.setattr(compilation_cache, "check_space", full)
        expected = blocked
    else:
        blocked.write_text("")
    if obstacle == "chosen":
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(blocked))
    assert compilation_cache.enable(blocked) == expected
    (record,) = caplog.records
    assert record.getMessage().startswith("compiled programs are not kept")
    assert jax.config.jax_persistent_cache_min_compile_time_secs > 1e6
    assert jax.config.jax_compilation_cache_dir == (None if expected is None else str(expected))


def test_lanes_of_other_shapes_are_measured_apart(tmp_path):
    path = tmp_path / "lanes.json"
    for size in (1, 2):
        fastest_lanes(
            lambda member, shared: member * shared.sum(),
            np.zeros((4, size), np.float32),
            np.ones(3, np.float32),
            name="x",
            path=path,
            candidates=(1, 2),
        )
    assert len(json.loads(path.read_text())) == 2
    for damage in ("[1]", '{"a": true}', "[" * 100_000, ""):
        path.write_text(damage)
        lanes = fastest_lanes(
            jnp.add, np.zeros(4, np.float32), np.float32(1), name="y", path=path, candidates=(1,)
        )
        assert lanes == 1 and len(json.loads(path.read_text())) == 1
