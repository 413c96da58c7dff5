"""Own recordings: `--data events` reads folders and tables of them, and tells what it cannot."""

import numpy as np
import pytest
from own_data import CLASSES

from search import evolve, preset
from search.spaces.xylo import xylo_options
from ttfs_jax import datasets
from ttfs_jax.datasets.events.files import read_events, to_frames
from ttfs_jax.datasets.eye.dataset import ClipConfig
from ttfs_jax.support.errors import InputError

CLIPS = ClipConfig(size=8, pool=1, stride=1, draws=2, test_draws=3)


def write_recording(path, label, seed, seconds=1.0, size="16 16"):
    """Write events as text (t x y p, microseconds) whose class shows in where they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    count = int(300 * seconds)
    t = np.sort(generator.integers(0, int(1e6 * seconds), count))
    x, y = generator.integers(0, 16, count), 5 * label + generator.integers(0, 6, count)
    rows = np.stack([t, x, y, generator.integers(0, 2, count)], 1)
    np.savetxt(path, rows, fmt="%d", header=size, comments="")
    return path


def write_folders(root, each=6):
    for number in range(each * len(CLASSES)):
        label = number % len(CLASSES)
        write_recording(root / CLASSES[label] / f"{number}.txt", label, number)
    return root


def write_table(path, rows, header="file,label,subject,start,end"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def loaded(path, **options):
    return datasets.load_dataset(
        "events", data_dir=path, **({"clips": CLIPS, "time_unit": "us"} | options)
    )


def parts(data):
    return data.train, data.validation, data.test


def test_a_folder_per_class(tmp_path):
    folder = write_folders(tmp_path / "mine")
    data = loaded(folder)
    assert (data.name, data.classes, data.image_shape) == ("mine", CLASSES, (8, 8, 8))
    assert [len(np.unique(part.columns["sequence"])) for part in parts(data)] == [12, 3, 3]
    assert [len(part.labels) for part in parts(data)] == [24, 6, 9]
    sequences = [set(part.columns["sequence"].tolist()) for part in parts(data)]
    assert len(set.union(*sequences)) == 18
    assert xylo_options(data, preset("digits", "smoke", space="xylo"))["polarities"] == 2
    options = f"--data=events --data-dir={folder} --preset=smoke --clips.size=8 --clips.pool=2"
    config = evolve.parse([*options.split(), "--crop", "0", "0", "16"]).config
    assert config.data_options.clips.size == 8 and config.data_options.crop == (0, 0, 16)
    notes = loaded(folder, time_unit=None).problems
    assert len(notes) == 1 and notes[0].startswith(f"18 recordings, {folder}/bars/0.txt, ")
    assert notes[0].count(".txt") == 5 and "read as microseconds" in notes[0]
    (folder / "dots" / "x.txt").write_text("no events")
    (folder / "dots" / "y.txt").write_bytes((folder / "bars" / "0.txt").read_bytes())
    problems = loaded(folder).problems
    assert "x.txt" in problems[0] and "y.txt is the same file as" in problems[1]


def test_a_table_with_people_and_pieces(tmp_path):
    rows = []
    for number in range(10):
        write_recording(tmp_path / "files" / f"{number}.txt", number % 2, number, seconds=2.0)
        for start in (0, 1):
            end = min(start + 1, 1.95)
            rows.append(f"files/{number}.txt,{CLASSES[number % 2]},p{number // 2},{start},{end}")
    wrong = [rows[0], "files/none.txt,dots,p1,0,1", "files/1.txt,dots,p0,1,9", ",dots,p1,,"]
    data = loaded(write_table(tmp_path / "table.csv", rows + wrong))
    people = [set(part.columns["subject"].tolist()) for part in parts(data)]
    assert [len(some) for some in people] == [3, 1, 1] and len(set.union(*people)) == 5
    assert [len(np.unique(part.columns["sequence"])) for part in parts(data)] == [12, 4, 4]
    assert len(data.problems) == 4
    for words in ("line 22 is the same piece as line 2", "none.txt", "end 9 must be", "no file"):
        assert any(words in problem for problem in data.problems)
    shown = next(n for n, draw in enumerate(data.test.columns["draw"]) if draw == 0)
    sequence = data.test.columns["sequence"][shown]
    frames = to_frames(read_events(tmp_path / "files" / f"{sequence // 2}.txt"), size=8)
    piece = frames[30 * (sequence % 2) :][:30]
    clips = [piece[n : n + 4] for n in range(len(piece) - 3)]
    images = [np.moveaxis(np.stack([c > 0, c < 0], -1), 0, 2).reshape(8, 8, 8) for c in clips]
    assert any(np.array_equal(data.test.images[shown], image) for image in images)


def test_pieces_of_a_recording_stay_together(tmp_path):
    rows = []
    for number in range(10):
        write_recording(tmp_path / f"{number}.txt", number % 2, number)
        rows += [f"{number}.txt,{CLASSES[number % 2]},{n / 4},{n / 4 + 0.2}" for n in range(4)]
    data = loaded(write_table(tmp_path / "table.csv", rows, "file,label,start,end"))
    files = [set(part.columns["sequence"] // 4) for part in parts(data)]
    assert sum(map(len, files)) == len(set.union(*files)) == 10
    assert "subject" not in data.test.columns


def test_sensors_of_unknown_size_are_told_and_can_be_given(tmp_path):
    for number in range(18):
        label = number % 3
        write_recording(tmp_path / "a" / CLASSES[label] / f"{number}", label, number, size="")
    for path in sorted(tmp_path.glob("a/*/*")):
        path.write_text(path.read_text().lstrip())
        path.rename(path.with_suffix(".txt"))
    data = loaded(tmp_path / "a", sensor=(16, 16))
    assert not data.problems and data.test.images.any((1, 2, 3)).all()
    small = ClipConfig(size=2, pool=1, stride=1)
    problem = loaded(tmp_path / "a", clips=small).problems[-1]
    assert "sensors of different sizes" in problem and "give --sensor" in problem
    with pytest.raises(InputError, match=r"none of .* outside the --sensor of 15 × 16"):
        loaded(tmp_path / "a", sensor=(15, 16))


def test_a_given_split_and_unsound_tables(tmp_path):
    for number in range(12):
        write_recording(tmp_path / f"{number}.txt", number % 2, number)
    words = ["train"] * 8 + ["test"] * 4
    rows = [f"{n}.txt,{CLASSES[n % 2]},{words[n]},{n}" for n in range(12)]
    table = tmp_path / "table.csv"
    data = loaded(write_table(table, rows, "file,label,split,subject"))
    assert [len(np.unique(part.columns["sequence"])) for part in parts(data)] == [6, 2, 4]
    one = [row.replace(",8", ",0") for row in rows]
    for changed, header, message in (
        (one, "file,label,split,subject", "subject 0 is in train and in test"),
        (rows, "path,label,split,subject", "has no column 'file', only path"),
        ([*rows[:-1], "11.txt,dots,,11"], "file,label,split,subject", "some lines have a split"),
        (["0.txt,bars,train,0"], "file,label,split,subject", "one class only, bars"),
        (["x.txt,bars,train,0"], "file,label,split,subject", "none of 1 files can be read"),
    ):
        with pytest.raises(InputError, match=message):
            loaded(write_table(table, changed, header))
    with pytest.raises(InputError, match=r"none of .* crop 0 0 99 leaves the sensor"):
        loaded(write_table(table, rows, "file,label,split,subject"), crop=(0, 0, 99))
    with pytest.raises(InputError, match="--clips.pool 3 must divide --clips.size 8"):
        loaded(table, clips=ClipConfig(size=8, pool=3))
    with pytest.raises(InputError, match="rate must be above 0"):
        loaded(table, rate=0.0)


def test_tables_without_lines_or_with_pieces_in_two_parts(tmp_path):
    for number in range(12):
        write_recording(tmp_path / f"{number}.txt", number % 2, number)
    table = tmp_path / "table.csv"
    for rows in ([], ["0.txt,"], [",bars"]):
        with pytest.raises(InputError, match="table.csv has no line of a file and its label"):
            loaded(write_table(table, rows, "file,label"))
    with pytest.raises(InputError, match="null character"):
        loaded(write_table(table, ["a\0b,bars"], "file,label"))
    rows = [f"{n}.txt,{CLASSES[n % 2]},{('train', 'test')[n % 4 > 1]},0,.5" for n in range(12)]
    again = "0.txt,dots,train,0,.5"
    told = loaded(write_table(table, [*rows, again], "file,label,split,start,end")).problems
    assert len(told) == 1 and "same piece as line 2, which has the label bars" in told[0]
    both = "0.txt,bars,test,.5,.9"
    told = loaded(write_table(table, [*rows, both], "file,label,split,start,end")).problems
    assert len(told) == 1 and "pieces of 0.txt are in test and in train, though" in told[0]
