"""One check for recordings of every format: what is bad is counted, refused or told."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttfs_jax.datasets.events import recording as recordings
from ttfs_jax.datasets.events import sensor
from ttfs_jax.datasets.events.files import make_recording, read_events, to_frames
from ttfs_jax.datasets.events.source import Source
from ttfs_jax.datasets.events.time_units import SECONDS, find_unit
from ttfs_jax.support.errors import InputError

COUNT = 5000


def columns(seed=0, count=COUNT):
    """Make 2 s of events in whole microseconds on 64 × 48 pixels, int64 each."""
    generator = np.random.default_rng(seed)
    t = np.sort(generator.integers(0, 2_000_000, count))
    x, y = generator.integers(0, 64, count), generator.integers(0, 48, count)
    return [t, x, y, generator.integers(0, 2, count)]


def check(t, x, y, p, *, size=None, unit=None, time_unit=None, pieces=1):
    blocks = zip(*(np.array_split(column, pieces) for column in (t, x, y, p)), strict=True)
    source = Source("a", iter(list(blocks)), [], Counter(), size, unit)
    return make_recording(source, time_unit=time_unit)


BAD = {
    "x of −1": (1, -1, "negative coordinates"),
    "y of −1": (2, -1, "negative coordinates"),
    "x of 70,000": (1, 70_000, "coordinates beyond 4096"),
    "x of −1 in 16 bits": (1, 65_535, "coordinates beyond 4096"),
    "a fraction": (1, 0.5, "coordinates that are no pixel numbers"),
    "y not a number": (2, np.nan, "coordinates that are no pixel numbers"),
    "x infinite": (1, np.inf, "coordinates that are no pixel numbers"),
    "t not a number": (0, np.nan, "times that are not finite"),
    "t infinite": (0, -np.inf, "times that are not finite"),
    "p not a number": (3, np.nan, "polarities that are not finite"),
    "t of another age": (0, 1e18, "times a day or more from the others"),
    "a stray x": (1, 1000, "outside the sensor of 64 × 48"),
}

OUTLIERS = ("t of another age", "a stray x")


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize("name", BAD)
def test_few_bad_events_are_dropped_and_told(name, pieces):
    number, value, reason = BAD[name]
    raw = columns()
    expected = np.delete(np.stack(raw), 7, 1)
    raw[number] = raw[number].astype(np.array(value).dtype)
    raw[number][7] = value
    recording = check(*raw, unit="us", pieces=pieces)
    assert recording.dropped == {reason: 1}
    assert recording.notes[0] == f"dropped 1 of 5000 events: 1 {reason}"
    assert (recording.width, recording.height) == (64, 48)
    np.testing.assert_allclose(recording.events["t"], expected[0] * 1e-6, rtol=1e-12)
    for key, column in zip("xyp", expected[1:], strict=True):
        np.testing.assert_array_equal(recording.events[key], column)


@pytest.mark.parametrize("name", [name for name in BAD if name not in OUTLIERS])
def test_many_bad_events_are_refused(name):
    number, value, reason = BAD[name]
    raw = columns()
    raw[number] = raw[number].astype(np.array(value).dtype)
    raw[number][:200] = value
    with pytest.raises(InputError, match=f"200 of 5000 events are bad.*200 {reason}"):
        check(*raw, unit="us")


def test_sensor_of_the_file_holds():
    raw = columns()
    recording = check(*raw, size=(346, 260))
    assert (recording.width, recording.height) == (346, 260)
    assert check(*raw, size=(48, 64))[1:3] == (64, 48)  # height first
    raw[1][3] = 200
    assert check(*raw, size=(64, 48)).dropped == {"outside the sensor of 64 × 48": 1}
    with pytest.raises(InputError, match="outside the sensor of 32 × 48"):
        check(*raw, size=(32, 48))


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ({"geometry": "1280x720"}, (1280, 720)),
        ({"format": b"EVT3;height=720;width=1280"}, (1280, 720)),
        ({"width": 346, "height": 260}, (346, 260)),
        ({"sensor_resolution": np.array([180, 240, 3])}, (240, 180)),
        ({"resolution": [640, 480]}, (640, 480)),
        ({"size": 12, "comment": "3x3"}, None),
    ],
)
def test_sizes_in_attributes(attributes, size):
    assert sensor.width_and_height(attributes) == size


def test_unit_of_time_given_known_and_guessed():
    t, *rest = columns()
    span = (t[-1] - t[0]) * 1e-6
    for unit, factor in SECONDS.items():
        times = t * 1e-6 / factor
        for options in ({"time_unit": unit}, {"unit": unit}, {"unit": "s", "time_unit": unit}):
            recording = check(times, *rest, **options)
            np.testing.assert_allclose(np.ptp(recording.events["t"]), span)
            assert not recording.notes
    epoch = 1_700_000_000
    for times, name in (
        (t, "microseconds"),
        (t.astype(float), "microseconds"),
        (t + epoch * 10**6, "microseconds"),
        (t * 1000 + epoch * 10**9, "nanoseconds"),
        (t * 1e-6, "seconds"),
        (t * 1e-6 + epoch, "seconds"),
        (t + 0.5, "microseconds"),
    ):
        recording = check(times, *rest)
        np.testing.assert_allclose(np.ptp(recording.events["t"]), span, atol=1e-5)
        (note,) = recording.notes
        assert note.startswith(f"times are read as {name}, guessed")


def test_spans_that_do_not_fit_are_refused_with_the_likely_unit():
    t, *rest = columns()
    with pytest.raises(InputError, match="look like microseconds: give --time-unit us"):
        check(t, *rest, time_unit="s")
    with pytest.raises(InputError, match="look like nanoseconds: give --time-unit ns"):
        check(t * 10**6 + 10**18, *rest, unit="us")
    with pytest.raises(InputError, match="days in nanoseconds: clean its times or cut it"):
        check(t * 10**8, *rest, time_unit="ns")
    with pytest.raises(InputError, match="unknown --time-unit 'min'.*choose one of s, ms, us, ns"):
        check(t, *rest, time_unit="min")


def test_few_events_per_second_are_doubted():
    t, *rest = columns(count=1000)
    assert not check(t * 50, *rest, unit="us").notes  # 10 per second
    (note,) = check(t * 1000, *rest, unit="us").notes
    assert note.startswith("only 0.5 events per second")


def test_clocks_that_run_over_and_times_before_zero():
    t, *rest = columns()
    for kind, turn in ((np.uint32, 2**32), (np.int32, 2**31)):
        shifted = t + turn - 1_000_000
        recording = check(shifted.astype(kind), *rest, unit="us", pieces=5)
        np.testing.assert_allclose(np.diff(recording.events["t"]), np.diff(t) * 1e-6, atol=1e-9)
        assert not recording.notes
    early = (t - 1_000_000).astype(np.uint64)
    recording = check(early, *rest, unit="us")
    np.testing.assert_allclose(recording.events["t"], (t - 1_000_000) * 1e-6)
    assert len(to_frames(recording, size=8)) == 60


def test_events_out_of_order_are_sorted_and_told():
    raw = columns()
    shuffled = np.random.default_rng(1).permutation(COUNT)
    recording = check(*(column[shuffled] for column in raw), unit="us", pieces=3)
    assert recording.notes == ("events were not in order of time: sorted",)
    frames = to_frames(check(*raw, unit="us"), size=12)
    np.testing.assert_array_equal(to_frames(recording, size=12), frames)


@pytest.mark.parametrize("kind", ["bool", "i1", "u1", "i8", "f4", "f8"])
def test_kinds_of_polarity(kind):
    t, x, y, p = columns()
    np.testing.assert_array_equal(check(t, x, y, p.astype(kind)).events["p"], p)
    if kind in ("i1", "i8", "f4", "f8"):
        signed = (2 * p - 1).astype(kind)
        np.testing.assert_array_equal(check(t, x, y, signed).events["p"], p)


def test_other_polarities_are_told():
    t, x, y, p = columns()
    recording = check(t, x, y, 5 * p - 2, unit="us")
    np.testing.assert_array_equal(recording.events["p"], p)
    assert recording.notes == (
        "5000 events have polarities other than 0, 1 and −1: positive ones are ON",
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.floats(allow_nan=True, width=64)] * 4), min_size=1, max_size=20))
def test_any_numbers_give_a_sound_recording_or_an_error(rows):
    try:
        recording = check(*np.array(rows).T)
    except InputError:
        return
    assert np.isfinite(recording.events["t"]).all()
    assert recording.events["x"].max() < recording.width <= 4096
    assert recording.events["y"].max() < recording.height <= 4096
    assert np.isin(recording.events["p"], (0, 1)).all()


def test_many_times_far_from_the_others_are_refused():
    t, *rest = columns()
    t[:20] += 10**18
    assert check(t, *rest, unit="us").dropped == {"times a day or more from the others": 20}
    t[:60] = 10**18
    with pytest.raises(InputError, match="days in microseconds"):
        check(t, *rest, unit="us")


def test_lengths_that_differ_and_no_events():
    t, x, y, p = columns()
    with pytest.raises(InputError, match="different lengths .5000 t, 4999 x"):
        make_recording(Source("a", iter([(t, x[1:], y, p)]), [], Counter()))
    with pytest.raises(InputError, match="holds no events"):
        check(t[:0], x[:0], y[:0], p[:0])
    with pytest.raises(InputError, match="holds no events"):
        make_recording(Source("a", iter([]), [], Counter()))


def test_a_full_disk_is_told(monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recordings.tempfile, "TemporaryFile", full)
    with pytest.raises(InputError, match="No space left.*TMPDIR"):
        check(*columns())


def test_lines_that_cannot_be_read(tmp_path):
    lines = [f"{t / 1e6:.6f} {x} {y} {p}" for t, x, y, p in zip(*columns(), strict=True)]
    cut = lines[:-1] + [lines[-1][:6]]  # the disk was full
    cut[3] = "0.1 two 3 1"
    (tmp_path / "a.txt").write_text("\n".join(cut))
    recording = read_events(tmp_path / "a.txt")
    assert recording.dropped == {"unreadable lines": 2}
    assert len(recording.events) == COUNT - 2
    lines[1::50] = ["?"] * 100
    (tmp_path / "a.txt").write_text("\n".join(lines))
    with pytest.raises(InputError, match="100 of 5000.*unreadable lines"):
        read_events(tmp_path / "a.txt")


def test_names_of_units():
    assert [find_unit(text) for text in ("float s", "µs", "time in Milliseconds", "x", "")] == [
        "s",
        "us",
        "ms",
        None,
        None,
    ]
