"""The command that classifies a recording: memory, compilations, streams, units, what it says."""

import dataclasses
import json
import tracemalloc
from collections import Counter

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from search.spaces.registry import make_space
from ttfs_jax import predict
from ttfs_jax.datasets.events.files import EVENT, EventFile, frame_pieces, make_recording, to_frames
from ttfs_jax.datasets.events.source import Source
from ttfs_jax.datasets.eye.clips import clip_image, every_clip
from ttfs_jax.datasets.eye.dataset import EyeConfig
from ttfs_jax.model import Model, save_model
from ttfs_jax.network.architecture import largest
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.prediction import recordings

pytestmark = pytest.mark.xdist_group("predict")

CONFIG = EyeConfig(size=12, pool=1)
REACH = CONFIG.stride * (CONFIG.frames - 1) + 1
CLASSES = ["happy", "sad", "calm [b]"]


class Sums:
    """A network for eye data: its logits are sums over three parts of the image."""

    def __init__(self):
        chex.clear_trace_counter()
        self.meta = {
            "source": {"kind": "eye", **dataclasses.asdict(CONFIG)},
            "classes": CLASSES,
            "dataset": "toy [data]",
        }
        self.run = jax.jit(chex.assert_max_traces(self.logits, n=1))

    @staticmethod
    def logits(images):
        return jnp.stack([part.sum((1, 2, 3)) for part in jnp.split(images, 3, axis=1)], -1)

    def shares(self, images):
        return np.asarray(jax.nn.softmax(self.run(images)))


def some_frames(count, seed=0):
    return np.random.default_rng(seed).integers(-1, 2, (count, 12, 12)).astype(np.int8)


def long_recording(frames):
    """Make a recording with four events per frame."""
    events = np.zeros(4 * frames, EVENT)
    generator = np.random.default_rng(0)
    events["t"] = (np.arange(4 * frames) + 0.5) / (4 * recordings.RATE)
    events["x"], events["y"] = generator.integers(0, 12, (2, 4 * frames))
    events["p"] = generator.integers(0, 2, 4 * frames)
    return EventFile(events, 12, 12)


@pytest.mark.parametrize("count", [1, REACH - 1, REACH, 200, 256 + 64])
def test_clips_are_those_of_the_whole_recording_and_compiled_once(count):
    frames = some_frames(count)
    rows = every_clip(count, frames=CONFIG.frames, stride=CONFIG.stride)
    images = np.stack([clip_image(frames[row]) for row in rows])
    expected = jax.nn.softmax(Sums.logits(jnp.asarray(images)))
    for length in (1, 7, 256):
        pieces = (frames[begin : begin + length] for begin in range(0, count, length))
        shares = np.concatenate(list(recordings.classify_clips(Sums(), pieces)))
        np.testing.assert_allclose(shares, expected, rtol=1e-5)


def test_clips_without_events_are_left_out():
    frames = np.zeros((100, 12, 12), np.int8)
    frames[50, 3, 3] = 1
    (shares,) = recordings.classify_clips(Sums(), [frames])
    assert len(shares) == CONFIG.frames  # the clips that show frame 50
    assert not list(recordings.classify_clips(Sums(), [frames[:50]]))


def peak(work):
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_memory_does_not_grow_with_the_recording():
    def classified(frames):
        recording = long_recording(frames)
        model = Sums()
        pieces = frame_pieces(recording, size=12, rate=recordings.RATE)
        return peak(lambda: sum(len(shares) for shares in recordings.classify_clips(model, pieces)))

    classified(300)  # compilation
    short, long = classified(1200), classified(6000)
    assert long < 1.2 * short + 1e5
    assert long < 6000 * CONFIG.frames * 2 * 144  # less than all images in one byte per pixel


def test_memory_of_reading_does_not_grow_with_the_file():
    def read(blocks):
        def raw():
            for n in range(blocks):
                t = np.arange(100_000) + 100_000 * n
                yield t, t % 12, t % 11, t % 2

        return peak(lambda: make_recording(Source("a", raw(), [], Counter()), time_unit="us"))

    short, long = read(5), read(30)
    assert long < 1.2 * short


def test_frames_in_pieces_are_the_whole():
    recording = long_recording(100)
    whole = to_frames(recording, size=6)
    assert len(whole) == 100
    for length in (1, 33, 100, 1000):
        pieces = list(frame_pieces(recording, size=6, length=length))
        assert max(map(len, pieces)) <= length
        np.testing.assert_array_equal(np.concatenate(pieces), whole)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    config = EyeConfig(size=24, pool=1)
    space = make_space("conv-small", (24, 24, 8), len(CLASSES))
    variables = initialise(Network(space.spec), jax.random.key(0))
    meta = {
        "dataset": "simulated eye data",
        "classes": CLASSES,
        "source": {"kind": "eye", **dataclasses.asdict(config)},
    }
    path = tmp_path_factory.mktemp("network") / "0"
    save_model(path, Model(space.spec, largest(space.spec), variables, meta))
    return path


def write(path, factor=1, count=3000, seed=0):
    """Write 2 s of text, times in microseconds times `factor`."""
    generator = np.random.default_rng(seed)
    columns = [np.sort(generator.integers(0, 2_000_000, count)) * factor]
    columns += [generator.integers(0, high, count) for high in (48, 40, 2)]
    np.savetxt(path, np.stack(columns, 1), fmt="%d")
    return path


def test_what_the_command_prints(network, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "a[").mkdir()
    path = write(tmp_path / "a[" / "b] take[red].txt")
    predict.main(["--checkpoint", str(network), "--events", str(path)])
    printed = capsys.readouterr().out
    assert str(path) in printed
    assert "calm [b]" in printed
    assert "read as microseconds, guessed" in printed
    predict.main(["--checkpoint", str(network), "--events", str(path), "--json"])
    result = json.loads(capsys.readouterr().out)
    assert result["recording"] == str(path)
    assert (result["frames"], result["clips"]) == (60, 60 - REACH + 1)
    assert len(result["classes_of_clips"]) == result["clips"]
    assert set(result["shares"]) == set(CLASSES)
    assert sum(result["shares"].values()) == pytest.approx(1)
    assert result["class"] == max(result["shares"], key=result["shares"].get)
    assert result["dropped"] == {}
    assert len(result["notes"]) == 1


def test_units_and_bad_events_in_the_result(network, tmp_path):
    path = write(tmp_path / "a.txt", factor=1000)
    with path.open("a") as file:
        file.write("1000000000 -1 3 1\n")
    result = predict.predict_recording(predict.PredictArguments(network, path, time_unit="ns"))
    assert result["frames"] == 60
    assert result["dropped"] == {"negative coordinates": 1}
    assert "dropped 1 of 3001 events: 1 negative coordinates" in result["notes"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--crop", "0", "0", "24"], "sees 0 of 3000 events: they lie within x 100 to 147"),
        (["--time-unit", "s"], "give --time-unit us"),
        (["--stream", "left"], "unknown --stream 'left'"),
    ],
)
def test_refusals_are_one_line_with_status_2(options, words, network, tmp_path, capsys):
    table = np.loadtxt(write(tmp_path / "a.txt"))
    table[:, 1] += 100
    np.savetxt(tmp_path / "a.txt", table, fmt="%d")
    with pytest.raises(SystemExit) as end:
        predict.main(["--checkpoint", str(network), "--events", str(tmp_path / "a.txt"), *options])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line


def test_events_that_cancel_out_are_an_error(network, tmp_path):
    lines = [f"{n / 100} {n % 48} {n % 40} {p}" for n in range(300) for p in (0, 1)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    with pytest.raises(predict.InputError, match="cancel out"):
        predict.predict_recording(predict.PredictArguments(network, tmp_path / "a.txt"))


def test_a_short_recording_says_that_its_frames_are_repeated(network, tmp_path):
    lines = [f"{n / 1000:.3f} {n % 48} {n % 40} 1" for n in range(100)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    result = predict.predict_recording(predict.PredictArguments(network, tmp_path / "a.txt"))
    assert (result["frames"], result["clips"]) == (3, 1)
    assert any("shorter than one clip" in note for note in result["notes"])
