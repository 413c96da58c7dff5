"""Checkpoints: any name, foreign files, saves killed at every step, disks full and read-only."""

import errno
import json
import os
import resource
import shutil
import signal
from types import SimpleNamespace

import numpy as np
import pytest

from ttfs_jax.support import checkpoint
from ttfs_jax.support.errors import InputError

NAMES = [
    "seeds [0, 1]",
    "a*b",
    "a?b",
    "[!x]",
    "[unclosed",
    "back\\slash",
    " spaces ",
    "日本 ünï",
    ".hidden",
    "new\nline",
    "not utf-8 \udcff",
    "-r",
    "{a,b}",
    "100%5B",
    "~",
]


def tree(number):
    return {"a": np.full(3, float(number)), "n": np.array(number), "nan": np.array([np.nan, 1])}


def number_in(path):
    """Read a checkpoint whole and return the number that it was made of."""
    found, meta = checkpoint.restore(path, tree(0))
    number = meta["epoch"]
    for name, leaf in tree(number).items():
        np.testing.assert_array_equal(found[name], leaf)
    return number


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_taken_literally(tmp_path, name):
    checkpoint.save(tmp_path / name / "0", tree(1), meta={"epoch": 1})
    checkpoint.save(tmp_path / name / "0", tree(2), meta={"epoch": 2}, replace=True)
    assert number_in(tmp_path / name / "0") == 2
    assert os.listdir(tmp_path) == [name]
    assert os.listdir(tmp_path / name) == ["0"]


def test_a_pattern_does_not_take_in_its_neighbours(tmp_path):
    """`a*b` as a pattern is `axb` too, whose arrays are larger and of another name."""
    checkpoint.save(tmp_path / "axb" / "0", {"other": np.ones(1000)}, meta={})
    checkpoint.save(tmp_path / "a*b" / "0", tree(1), meta={"epoch": 1})
    assert number_in(tmp_path / "a*b" / "0") == 1
    size = sum(p.stat().st_size for p in (tmp_path / "a*b").rglob("*") if p.is_file())
    assert size < 8000


def test_temporary_folder_with_a_pattern_for_a_name(tmp_path, monkeypatch):
    (tmp_path / "t[0]").mkdir()
    monkeypatch.setattr(checkpoint.tempfile, "tempdir", str(tmp_path / "t[0]"))
    checkpoint.save(tmp_path / "seeds [0]", tree(1), meta={"epoch": 1})
    assert number_in(tmp_path / "seeds [0]") == 1


def test_foreign_files_are_ignored_and_changed_ones_are_named(tmp_path):
    path = tmp_path / "c"
    checkpoint.save(path, tree(1), meta={"epoch": 1})
    for folder in [path, *(p for p in path.rglob("*") if p.is_dir())]:
        for name in (".DS_Store", "._manifest.ocdbt", "Thumbs.db", "desktop.ini", "meta.json~"):
            (folder / name).write_bytes(b"\x00foreign")
    assert number_in(path) == 1
    part = next(p for p in (path / "tree" / "d").iterdir() if len(p.name) == 32)
    content = part.read_bytes()
    part.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match=rf"damaged \(the checksum of tree/d/{part.name} differs"):
        checkpoint.restore(path, tree(0))
    part.unlink()
    with pytest.raises(InputError, match=rf"damaged \(tree/d/{part.name} is missing"):
        checkpoint.read_meta(path)


@pytest.mark.parametrize("text", ['{"format": 1}', "[]", '{"format": 1, "files": 3, "meta": {}}'])
def test_a_damaged_description_is_named(tmp_path, text):
    checkpoint.save(tmp_path / "c", tree(1), meta={"epoch": 1})
    (tmp_path / "c" / "meta.json").write_text(text)
    with pytest.raises(InputError, match=r"meta\.json is damaged"):
        checkpoint.read_meta(tmp_path / "c")


class Killed(BaseException):
    """The process ends here: nothing catches it."""


def kill_at(monkeypatch, count, error):
    """Let the call number `count` of any step of the file system raise `error` half-way."""
    left = [count]

    def patched(owner, name):
        original = getattr(owner, name)

        def step(*arguments, **options):
            left[0] -= 1
            if left[0] == 0:
                if name == "rmtree":
                    # Half of the folder is gone already.
                    files = [p for p in arguments[0].rglob("*") if p.is_file()]
                    for file in files[: len(files) // 2 + 1]:
                        file.unlink()
                raise error
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, step)

    # Orbax renames in threads of its own; only our own steps count here.
    steps = SimpleNamespace(rename=os.rename, replace=os.replace, strerror=os.strerror)
    monkeypatch.setattr(checkpoint, "os", steps)
    patched(checkpoint.os, "rename")
    patched(checkpoint.os, "replace")
    patched(checkpoint.shutil, "rmtree")
    patched(checkpoint.Path, "write_text")
    patched(checkpoint, "_read_tree")
    return left


@pytest.mark.parametrize("error", [Killed(), OSError(errno.ENOSPC, "No space left on device")])
def test_whatever_stops_a_save_a_complete_checkpoint_is_left(tmp_path, error):
    path, saved = tmp_path / "c", 0
    checkpoint.save(path, tree(0), meta={"epoch": 0})
    for count in range(1, 50):
        with pytest.MonkeyPatch.context() as patches:
            left = kill_at(patches, count, error)
            try:
                checkpoint.save(path, tree(count), meta={"epoch": count}, replace=True)
                done = True
            except (Killed, InputError):
                done = False
        assert checkpoint.exists(path)
        found = number_in(path)
        assert found == count if done else found in (saved, count)
        saved = found
        if left[0] > 0:
            break
    # Written, read back, renamed twice; leftovers of the runs before removed in between.
    assert count > 6
    assert os.listdir(tmp_path) == ["c"]


def test_an_interrupted_replacement_is_read_without_changing_the_disk(tmp_path, monkeypatch):
    path, old = tmp_path / "c", tmp_path / ".c.old"
    checkpoint.save(path, tree(1), meta={"epoch": 1})
    path.rename(old)
    (tmp_path / ".c.new" / "tree").mkdir(parents=True)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patches:
        for name in ("rename", "replace", "mkdir", "unlink", "rmdir", "symlink"):
            patches.setattr(os, name, refuse)
        assert checkpoint.exists(path)
        assert number_in(path) == 1
    with pytest.raises(InputError, match="exists"):
        checkpoint.save(path, tree(2), meta={"epoch": 2})
    checkpoint.save(path, tree(2), meta={"epoch": 2}, replace=True)
    assert number_in(path) == 2
    assert os.listdir(tmp_path) == ["c"]


def test_the_rest_of_a_removed_checkpoint_is_none(tmp_path):
    path, old = tmp_path / "c", tmp_path / ".c.old"
    checkpoint.save(path, tree(1), meta={"epoch": 1})
    path.rename(old)
    shutil.rmtree(old / "tree")
    assert not checkpoint.exists(path)
    with pytest.raises(InputError, match="not a ttfs-jax checkpoint"):
        checkpoint.read_meta(path)
    checkpoint.save(path, tree(2), meta={"epoch": 2})
    assert number_in(path) == 2


def test_a_full_disk_keeps_the_old_one_and_ends_in_one_line(tmp_path, capfd):
    """A limit on the size of files stands for the end of the disk."""
    path = tmp_path / "c"
    checkpoint.save(path, tree(1), meta={"epoch": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    large = {"a": np.random.default_rng(0).random(10_000)}
    try:
        with pytest.raises(InputError, match=r"cannot save to .*c \(File too large\): make room"):
            checkpoint.save(path, large, meta={"epoch": 2}, replace=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert number_in(path) == 1
    assert os.listdir(tmp_path) == ["c"]
    assert capfd.readouterr().err == ""


def test_what_reads_back_otherwise_is_not_saved(tmp_path, monkeypatch):
    path = tmp_path / "c"
    checkpoint.save(path, tree(1), meta={"epoch": 1})
    with monkeypatch.context() as patches:
        patches.setattr(checkpoint, "_read_tree", lambda *_: tree(3))
        with pytest.raises(InputError, match="reads back otherwise"):
            checkpoint.save(path, tree(2), meta={"epoch": 2}, replace=True)
    assert number_in(path) == 1


def test_a_folder_with_other_things_is_not_replaced(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="something else than a checkpoint"):
        checkpoint.save(tmp_path / "notes", tree(1), meta={}, replace=True)
    assert (tmp_path / "notes" / "thesis.tex").exists()
    (tmp_path / "empty").mkdir()
    checkpoint.save(tmp_path / "empty", tree(1), meta={"epoch": 1}, replace=True)
    assert number_in(tmp_path / "empty") == 1


def test_a_link_to_a_checkpoint_is_replaced_and_its_goal_kept(tmp_path):
    checkpoint.save(tmp_path / "1", tree(1), meta={"epoch": 1})
    (tmp_path / "latest").symlink_to("1", target_is_directory=True)
    for number in (2, 3):
        checkpoint.save(tmp_path / "latest", tree(number), meta={"epoch": number}, replace=True)
    assert number_in(tmp_path / "latest") == 3
    assert number_in(tmp_path / "1") == 1


def test_the_format_on_disk(tmp_path):
    """What readers of format 2 look for."""
    checkpoint.save(tmp_path / "c", tree(1), meta={"epoch": 1})
    values = json.loads((tmp_path / "c" / "meta.json").read_text())
    assert values["format"] == 2
    assert values["meta"] == {"epoch": 1}
    listed = {
        str(p.relative_to(tmp_path / "c")) for p in (tmp_path / "c").rglob("*") if p.is_file()
    }
    assert set(values["files"]) == listed - {"meta.json"}
    (tmp_path / "c" / "meta.json").write_text(json.dumps(values | {"format": 3}))
    with pytest.raises(InputError, match="has format 3, this version reads 1 to 2"):
        checkpoint.read_meta(tmp_path / "c")
