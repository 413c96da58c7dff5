"""The simulated eye: what is drawn, how it moves, and that a seed fixes all of it."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax.datasets.eye.face import LIGHTS, Pose, draw_person, illuminate, render
from ttfs_jax.datasets.eye.motion import (
    EMOTIONS,
    UNITS,
    MotionConfig,
    draw_style,
    move,
    prototype_table,
)
from ttfs_jax.datasets.eye.simulator import simulate_take

REST = {name: 0.0 for name in Pose.__dataclass_fields__} | {"lid": 1.0, "pupil": 0.4}
MOTION = MotionConfig()


PLAIN = {"glasses": 0.0, "seat_x": 0.0, "seat_y": 0.0, "seat_roll": 0.0, "seat_scale": 1.0}


@jax.jit
def drawn(pose, seed, traits):
    return render(draw_person(jax.random.key(seed)).replace(**traits), pose, size=48)


def draw(pose, seed=0, **change):
    # Always all of them, so that one program draws every picture.
    pose, traits = jax.tree.map(jnp.float32, (pose, PLAIN | change))
    return drawn(pose, seed, traits)


def picture(seed=0, **change):
    return np.asarray(draw(Pose(**REST | change), seed))


def region(image, *, x, y):
    """Cut out x0..x1, y0..y1 in the picture plane."""
    rows, columns = (slice(*(np.array(span) * 24 + 24).astype(int)) for span in (y, x))
    return image[rows, columns]


EYE = {"x": (-0.4, 0.4), "y": (-0.15, 0.1)}


def test_closed_lid_hides_the_eyeball():
    looking = picture() - picture(gaze_x=0.15)
    closed = picture(lid=0.0) - picture(lid=0.0, gaze_x=0.15)
    assert np.abs(region(looking, **EYE)).max() > 0.2
    assert np.abs(closed).max() < 0.05


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"brow_inner": 0.12}, {"x": (0.0, 0.7), "y": (-1.0, -0.4)}),
        ({"brow_outer": 0.12}, {"x": (-0.7, 0.0), "y": (-1.0, -0.4)}),
        ({"cheek": 1.0}, {"x": (-1.0, 1.0), "y": (0.1, 1.0)}),
        ({"wrinkle": 1.0}, {"x": (0.6, 1.0), "y": (-0.4, 0.4)}),
        ({"squeeze": 1.0}, {"x": (-0.4, 0.4), "y": (0.0, 0.2)}),
    ],
)
def test_each_unit_changes_its_part_of_the_face(change, where):
    difference = np.abs(picture(**change) - picture())
    assert region(difference, **where).max() > 0.05
    assert region(difference, **where).mean() > difference.mean()


def test_the_seat_of_the_headset_moves_the_whole_picture():
    rest = Pose(**REST)
    slipped = rest.replace(slip_x=0.125, slip_y=-0.25)
    seated = draw(rest, seat_x=0.125, seat_y=-0.25)
    np.testing.assert_allclose(draw(slipped), seated, atol=1e-6)
    # 6 pixels down-left of the moved picture is the old one, as both shifts are whole pixels.
    np.testing.assert_allclose(seated[:-6, 3:], draw(rest)[6:, :-3], atol=1e-5)
    # Twice as near, the middle quarter fills the picture: two pixels stand where one stood.
    near = np.asarray(draw(rest, seat_scale=2.0)).reshape(24, 2, 24, 2).mean((1, 3))
    assert np.corrcoef(near.ravel(), draw(rest)[12:36, 12:36].ravel())[0, 1] > 0.95
    assert np.abs(draw(rest, seat_roll=0.2) - draw(rest)).max() > 0.1


def test_pictures_of_all_people_and_lights_are_sound():
    rest = Pose(**{name: jnp.float32(value) for name, value in REST.items()})

    def seen(seed, light):
        person = draw_person(jax.random.key(seed))
        return illuminate(render(person, rest, size=24), light, phase=seed * 1.0)

    seeds, lights = jnp.arange(32), jnp.arange(32) % len(LIGHTS)
    images = np.asarray(jax.jit(jax.vmap(seen))(seeds, lights))
    assert np.isfinite(images).all()
    assert (images > 0).all() and (images <= 1).all()
    normal, over, low, hdr = (images[n::4] for n in range(4))
    assert low.mean() < 0.1 < normal.mean() < over.mean()
    assert (over == 1).mean() > 0.3
    assert np.ptp(hdr.mean((1,)), axis=1).mean() > 2 * np.ptp(normal.mean((1,)), axis=1).mean()


def test_prototypes_follow_the_table():
    table = prototype_table()
    assert table.shape == (len(EMOTIONS), len(UNITS))
    assert (table[EMOTIONS.index("neutral")] == 0).all()
    assert set(np.flatnonzero(table[EMOTIONS.index("surprise")])) == {
        UNITS.index(unit) for unit in (1, 2, 5)
    }
    assert len(np.unique(table, axis=0)) == len(EMOTIONS)


@jax.jit
def courses(emotion):
    def one(seed):
        keys = jax.random.split(jax.random.key(seed))
        style = draw_style(keys[0], MOTION)
        return move(keys[1], style, emotion, jnp.array(0), MOTION, 600)

    return jax.vmap(one)(jnp.arange(24))


@pytest.mark.slow
def test_takes_differ_in_seat_and_a_tense_face_trembles():
    steady = dataclasses.replace(MOTION, seat=0.0, tremor=0.0, take_spread=0.0)
    keys = jax.random.split(jax.random.key(1), 16)
    style = draw_style(jax.random.key(0), MOTION)

    @partial(jax.jit, static_argnums=0)
    def films(config, emotion):
        return jax.vmap(lambda key: move(key, style, emotion, jnp.array(0), config, 900))(keys)

    def film(config, emotion):
        return films(config, jnp.array(EMOTIONS.index(emotion)))

    still, moved = film(steady, "neutral"), film(dataclasses.replace(steady, seat=0.5), "neutral")
    np.testing.assert_allclose(np.ptp(moved.slip_x - still.slip_x, axis=1), 0.0, atol=1e-5)
    assert 0.2 < (moved.slip_x - still.slip_x)[:, 0].std() < 0.8
    trembling = dataclasses.replace(steady, tremor=0.1)
    smile = film(trembling, "happiness").cheek - film(steady, "happiness").cheek
    assert 0.01 < np.abs(smile).max() < 1.0
    assert np.abs(film(trembling, "neutral").cheek - film(steady, "neutral").cheek).max() < 1e-6


@pytest.mark.slow
def test_emotions_move_what_they_should_and_neutral_blinks_too():
    names = ("neutral", "surprise", "happiness")
    neutral, surprise, happiness = (courses(jnp.array(EMOTIONS.index(name))) for name in names)
    assert surprise.brow_inner.max(1).mean() > neutral.brow_inner.max(1).mean() + 0.05
    assert happiness.cheek.max(1).mean() > neutral.cheek.max(1).mean() + 0.3
    assert surprise.cheek.max() < 0.5
    assert neutral.lid.min() < 0.1  # blinks
    assert np.abs(np.diff(neutral.gaze_x, axis=1)).max() > 0.001  # saccades
    for field in jax.tree.leaves((neutral, surprise, happiness)):
        assert np.isfinite(field).all()
        # Nothing jumps: a lid closes in 75 ms at the fastest.
        assert np.abs(np.diff(field, axis=1)).max() < 0.25


@pytest.mark.slow
def test_a_take_is_fixed_by_its_seeds():
    def take(person, number):
        recording = simulate_take(person, number, jnp.array(6), jnp.array(0), 4, longest=6, size=24)
        assert not np.asarray(recording.light)[4:].any()  # not filmed
        return np.asarray(recording.events)[:4], np.asarray(recording.light)[:4]

    events, light = take(1, 2)
    assert events.shape == light.shape == (4, 24, 24)
    assert set(np.unique(events)) <= {-1, 0, 1}
    assert 0.001 < np.abs(events).mean() < 0.5
    for ours, theirs in zip(take(1, 2), (events, light), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (take(1, 3)[0] != events).any()
    # The same person looks the same in another take, but for pose.
    assert np.abs(take(1, 3)[1].astype(int).mean() - light.mean()) < 25
