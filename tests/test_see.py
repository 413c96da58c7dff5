"""The layout of SEE: simulated sets come back, broken ones are read as far as they can be."""

import os
import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from see_tree import database_of, make_tree, name_of, sequences, write_json

from ttfs_jax.datasets import make_eye
from ttfs_jax.datasets.eye.frames import from_levels, load_frames, read_frame, to_levels
from ttfs_jax.datasets.eye.plan import LIGHT_SUBJECTS, plan_takes
from ttfs_jax.datasets.eye.recordings import read_see_light
from ttfs_jax.datasets.eye.see import parse_name, read_index
from ttfs_jax.support.errors import InputError


def test_plan_has_the_proportions_of_the_published_set():
    plan = plan_takes(seed=3)
    assert len(plan) == len({take.name for take in plan}) == 2405
    assert sum(take.training for take in plan) == 1638
    assert len({take.subject for take in plan}) == 111
    lights = {take.subject: take.light for take in plan}
    assert all(lights[take.subject] == take.light for take in plan)
    shares = Counter(lights.values())
    for light, count in LIGHT_SUBJECTS.items():
        assert shares[light] / 111 == pytest.approx(count / 107, abs=0.1 * count / 107)
    lengths = np.array([take.length for take in plan])
    assert lengths.min() >= 18 and lengths.max() <= 131
    assert lengths.mean() == pytest.approx(53.5, rel=0.05)
    assert lengths.std() == pytest.approx(15.2, rel=0.1)
    both = {t.subject for t in plan if t.training} & {t.subject for t in plan if not t.training}
    assert len(both) > 80
    assert plan_takes(seed=3) == plan != plan_takes(seed=4)
    with pytest.raises(InputError, match="subjects must be a whole number from 8"):
        plan_takes(seed=0, subjects=3)


def test_names_have_nine_fields():
    take = plan_takes(seed=0)[5]
    fields = parse_name(take.name)
    assert int(fields["subject"]) == take.subject
    assert (fields["light"], fields["emotion"]) == (take.light, take.emotion)
    with pytest.raises(ValueError, match="8 fields"):
        parse_name("1_001_man_24_Master_normal_angry_45")


def test_levels_survive_jpeg(tmp_path):
    events = np.random.default_rng(0).choice([-1, 0, 0, 0, 1], (40, 40)).astype(np.int8)
    np.testing.assert_array_equal(from_levels(to_levels(events)), events)
    Image.fromarray(to_levels(events)).save(tmp_path / "e.jpg", quality=95)
    np.testing.assert_array_equal(read_frame(tmp_path / "e.jpg"), events)
    assert read_frame(tmp_path / "e.jpg", size=20).shape == (20, 20)


@pytest.mark.slow
def test_simulated_set_comes_back_the_same(tmp_path, capsys):
    out = tmp_path / "eye"
    count = make_eye.write_eye(out, seed=1, subjects=8, size=24, limit=3)
    index = read_index(out)
    assert (count, len(index.sequences), index.problems) == (3, 3, ())
    frames = load_frames(index, cache=tmp_path / "cache")
    plan = plan_takes(seed=1, subjects=8)
    for n, (take, sequence) in enumerate(zip(plan[:3], index.sequences, strict=True)):
        ours = frames.values[frames.starts[n] : frames.starts[n + 1]]
        theirs = make_eye.record(take, n, seed=1, size=24).events
        np.testing.assert_array_equal(ours, theirs)
        assert (sequence.subject, sequence.training) == (take.subject, take.training)
        assert index.classes[sequence.label] == take.emotion
    with pytest.raises(SystemExit) as stopped:
        make_eye.main(["--out", str(out)])
    assert stopped.value.code == 2
    assert "not an empty folder" in capsys.readouterr().err


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "SEE")


def test_sound_tree_has_no_problems(tree, tmp_path):
    found, problems = sequences(tree, tmp_path / "cache")
    assert found == {name_of(n, e): 3 for n, e in enumerate(("angry", "neutral", "fear"), 1)}
    assert problems == []


def test_other_folder_names_cases_and_first_numbers_are_read(tree):
    (tree / "event").rename(tree / "event_30")
    (tree / "event_30" / "neutral").rename(tree / "event_30" / "neutraL")
    folder = tree / "event_30" / "angry" / name_of(1, "angry")
    for n in (2, 1, 0):
        (folder / f"{n:05d}.jpg").rename(folder / f"{n + 1:05d}.jpg")
    found, problems = sequences(tree)
    assert list(found.values()) == [3, 3, 3]
    assert problems == []


def test_missing_frames_are_left_out_and_listed(tree):
    folder = tree / "event" / "angry" / name_of(1, "angry")
    (folder / "00001.jpg").unlink()
    found, problems = sequences(tree)
    assert found[name_of(1, "angry")] == 2
    assert len(problems) == 1
    assert str(folder) in problems[0] and "1 of 3 frames missing, the first 00001" in problems[0]


def test_corrupt_and_odd_frames(tree, tmp_path):
    folder = tree / "event" / "fear" / name_of(3, "fear")
    (folder / "00000.jpg").write_bytes(b"no picture")
    Image.fromarray(np.full((20, 24), 255, np.uint8)).save(folder / "00001.jpg")
    index = read_index(tree)
    frames = load_frames(index, cache=tmp_path / "cache")
    assert len(frames.problems) == 1
    assert str(folder / "00000.jpg") in frames.problems[0]
    assert (frames.values[6] == 0).all()
    assert frames.values.shape == (9, 16, 16)
    assert (frames.values[7] == 1).all()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("folder", "its folder is missing"),
        ("label", "label 'joy' is none of"),
        ("empty", "it has no frames"),
        ("subset", "subset, label or segment"),
        ("name", "8 fields instead of 9"),
    ],
)
def test_broken_sequences_are_left_out_and_listed(tree, damage, words):
    name, database = name_of(2, "neutral"), database_of(tree)
    folder = tree / "event" / "neutral" / name
    if damage == "folder":
        shutil.rmtree(folder)
    if damage == "label":
        database[name]["annotations"]["label"] = "joy"
    if damage == "empty":
        shutil.rmtree(folder)
        folder.mkdir()
    if damage == "subset":
        database[name]["subset"] = "holdout"
    if damage == "name":
        short = name.rpartition("_")[0]
        database[short] = database.pop(name)
        folder.rename(folder.with_name(short))
        name = short
    write_json(tree, database)
    found, problems = sequences(tree)
    assert len(found) == 2 and name not in found
    assert len(problems) == 1
    assert name in problems[0] and words in problems[0]


def test_unlisted_folder_and_disagreeing_label_are_listed(tree):
    database = database_of(tree)
    database[name_of(1, "angry")]["annotations"]["label"] = "fear"
    del database[name_of(3, "fear")]
    write_json(tree, database)
    found, problems = sequences(tree)
    assert list(found) == [name_of(1, "angry"), name_of(2, "neutral")]
    assert any("named angry but labelled fear" in p for p in problems)
    assert any("not in emotion.json" in p for p in problems)


def test_hopeless_trees_stop_with_a_reason(tree, tmp_path):
    with pytest.raises(InputError, match="not a folder"):
        read_index(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no JSON file"):
        read_index(empty)
    (empty / "emotion.json").write_text("{")
    with pytest.raises(InputError, match="JSONDecodeError"):
        read_index(empty)
    write_json(empty, database_of(tree))
    with pytest.raises(InputError, match="no folder event"):
        read_index(empty)
    (empty / "event").mkdir()
    with pytest.raises(InputError, match="no sequence that can be read"):
        read_index(empty)


def test_second_load_maps_what_the_first_decoded(tree, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    first = load_frames(read_index(tree), cache=cache)

    def fail(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr("ttfs_jax.datasets.eye.frames._decode", fail)
    again = load_frames(read_index(tree), cache=cache)
    np.testing.assert_array_equal(first.values, again.values)
    (tree / "event" / "angry" / name_of(1, "angry") / "00002.jpg").unlink()
    with pytest.raises(AssertionError, match="decoded again"):
        load_frames(read_index(tree), cache=cache)
    assert not list(cache.glob(".*"))


def paint(path, level, size=16):
    Image.fromarray(np.full((size, size), level, np.uint8)).save(path)


def test_frames_follow_segments_and_files(tree, tmp_path):
    """White, grey and black frames tell which of them a cache hands out."""
    cache, name = tmp_path / "cache", name_of(1, "angry")
    folder = tree / "event" / "angry" / name
    for n, level in enumerate((255, 0, 128)):
        paint(folder / f"{n:05d}.jpg", level)

    def load():
        values = load_frames(read_index(tree), cache=cache).values
        return values[:-6, 0, 0].tolist()  # without the two other sequences

    assert load() == [1, -1, 0]
    database = database_of(tree)
    for segment, expected in (([0, 2], [1, -1]), ([1, 3], [-1, 0]), ([0, 3], [1, -1, 0])):
        database[name]["annotations"]["segment"] = segment
        write_json(tree, database)
        assert load() == expected
    # Written in place, and with the old size and time of modification.
    before = (folder / "00001.jpg").stat()
    paint(folder / "00001.jpg", 255)
    os.utime(folder / "00001.jpg", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (folder / "00001.jpg").stat().st_size == before.st_size
    assert load() == [1, 1, 0]
    # Replaced, without a trace in the folder's names.
    paint(tmp_path / "new.jpg", 0)
    os.replace(tmp_path / "new.jpg", folder / "00002.jpg")
    assert load() == [1, 1, -1]
    # Damaged, and mended.
    (folder / "00000.jpg").write_bytes(b"no picture")
    assert load() == [0, 1, -1]
    paint(folder / "00000.jpg", 0)
    assert load() == [-1, 1, -1]


def test_intensity_frames_follow_their_files(tree, tmp_path):
    shutil.copytree(tree / "event", tree / "frame")
    path = tree / "frame" / "fear" / name_of(3, "fear") / "00001.jpg"
    for level in (10, 200):
        paint(path, level)
        assert (read_see_light(tree, cache=tmp_path / "cache")[7] == level).all()


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("frames.npy", lambda path: path.write_bytes(path.read_bytes()[:-1])),
        ("frames.npy", lambda path: path.write_bytes(b"")),
        ("frames.npy", lambda path: path.write_bytes(b"x" * path.stat().st_size)),
        ("frames.npy", lambda path: path.unlink()),
        ("index.json", lambda path: path.write_text("{")),
        ("index.json", lambda path: path.write_text("[1]")),
        ("index.json", lambda path: path.unlink()),
        ("", shutil.rmtree),
        ("", lambda path: (shutil.rmtree(path), path.write_text("a file"))),
    ],
)
def test_a_damaged_cache_is_made_anew(tree, tmp_path, file, damage):
    cache, index = tmp_path / "cache", read_index(tree)
    expected = np.array(load_frames(index, cache=cache).values)
    (entry,) = cache.iterdir()
    damage(entry / file)
    np.testing.assert_array_equal(load_frames(index, cache=cache).values, expected)
    assert [p.name for p in entry.parent.iterdir()] == [entry.name]
    assert {p.name for p in entry.iterdir()} == {"frames.npy", "index.json"}
