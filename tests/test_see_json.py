"""SEE's JSON file: what is odd spoils one sequence, what is damaged as a whole is one error."""

import math

import pytest
from see_tree import database_of, make_tree, name_of, sequences, write_json

from ttfs_jax.datasets.eye.see import read_index
from ttfs_jax.support.errors import InputError


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "SEE")


SEGMENTS = [
    (["0", "20"], "not two whole numbers"),
    ("20", "not two whole numbers"),
    (None, "not two whole numbers"),
    ([0], "not two whole numbers"),
    ([0, 1, 2], "not two whole numbers"),
    ([0, None], "not two whole numbers"),
    ([0, math.nan], "not two whole numbers"),
    ([0, math.inf], "not two whole numbers"),
    ([0.5, 2.0], "not two whole numbers"),
    ([False, True], "not two whole numbers"),
    ({"begin": 0, "end": 3}, "not two whole numbers"),
    ([-1, 3], "0 ≤ begin < end"),
    ([3, 1], "0 ≤ begin < end"),
    ([3, 0], "0 ≤ begin < end"),
    ([2, 2], "0 ≤ begin < end"),
    ([0, 10**18], "ends after frame"),
    ([0, 1e300], "ends after frame"),
    ([0, int("9" * 4000)], "not two whole numbers"),  # read as infinity
    ([10**17, 10**18], "ends after frame"),
]


@pytest.mark.parametrize(("segment", "words"), SEGMENTS)
def test_an_odd_segment_spoils_one_sequence(tree, segment, words):
    name, database = name_of(2, "neutral"), database_of(tree)
    database[name]["annotations"]["segment"] = segment
    write_json(tree, database)
    found, problems = sequences(tree)
    assert len(found) == 2 and name not in found
    assert len(problems) == 1 and "\n" not in problems[0] and len(problems[0]) < 400
    assert name in problems[0] and words in problems[0]


def test_whole_floats_are_frames(tree):
    name, database = name_of(2, "neutral"), database_of(tree)
    database[name]["annotations"]["segment"] = [1.0, 3.0]
    write_json(tree, database)
    index = read_index(tree)
    assert [s.files[0].name for s in index.sequences] == ["00000.jpg", "00001.jpg", "00000.jpg"]
    assert [len(s.files) for s in index.sequences] == [3, 2, 3] and index.problems == ()
    database[name]["annotations"]["segment"] = [0, 0.0]  # left out on purpose
    write_json(tree, database)
    assert sequences(tree) == ({name_of(1, "angry"): 3, name_of(3, "fear"): 3}, [])


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        "text",
        5,
        {},
        {"subset": "training"},
        {"subset": "training", "annotations": None},
        {"subset": "training", "annotations": []},
        {"subset": "training", "annotations": {"segment": [0, 3]}},
        {"subset": "training", "annotations": {"label": "neutral"}},
        {"subset": "training", "annotations": {"label": None, "segment": [0, 3]}},
        {"subset": "training", "annotations": {"label": ["neutral"], "segment": [0, 3]}},
        {"subset": "training", "annotations": {"label": "\ud800\n", "segment": [0, 3]}},
        {"annotations": {"label": "neutral", "segment": [0, 3]}},
        {"subset": None, "annotations": {"label": "neutral", "segment": [0, 3]}},
        {"subset": ["training"], "annotations": {"label": "neutral", "segment": [0, 3]}},
    ],
)
def test_an_odd_entry_spoils_one_sequence(tree, entry):
    name = name_of(2, "neutral")
    write_json(tree, database_of(tree) | {name: entry})
    found, problems = sequences(tree)
    assert len(found) == 2 and name not in found
    assert len(problems) == 1 and name in problems[0]
    assert problems[0].isprintable()


@pytest.mark.parametrize("subject", ["x", "²", "-1", "1.5", "", "9" * 30])
def test_an_odd_subject_spoils_one_sequence(tree, subject):
    entry = database_of(tree)[name_of(2, "neutral")]
    name = f"2_{subject}_man_24_Master_normal_neutral_3_take000"
    write_json(tree, database_of(tree) | {name: entry, "\ud800 odd\n": entry})
    found, problems = sequences(tree)
    assert len(found) == 3
    assert len(problems) == 2 and all(p.isprintable() for p in problems)
    assert "subject" in problems[0] and "1 fields" in problems[1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"[]",
        b"null",
        b'{"labels": ["a"]}',
        b'{"labels": ["a"], "database": []}',
        b'{"labels": "angry", "database": {}}',
        b'{"labels": [], "database": {}}',
        b'{"labels": [null], "database": {}}',
        b'{"labels": ["a", "A"], "database": {}}',
    ],
)
def test_damaged_json_is_one_error(tree, content):
    (tree / "emotion.json").write_bytes(content)
    with pytest.raises(InputError, match="no JSON file with labels and database") as raised:
        read_index(tree)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 500


def test_json_with_a_byte_order_mark_is_read(tree):
    text = (tree / "emotion.json").read_text()
    (tree / "emotion.json").write_text(text, encoding="utf-8-sig")
    (tree / "a.json").mkdir()  # not a file
    assert len(read_index(tree).sequences) == 3
