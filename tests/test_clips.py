"""Clips: the published sampler, what a network is shown, and splits without shared people."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ttfs_jax.codes.encoding import encode
from ttfs_jax.datasets.eye.clips import clip_image, draw_clip, draw_clips, split_by_person
from ttfs_jax.spike_time import NO_SPIKE
from ttfs_jax.support.errors import InputError

sample = jax.jit(draw_clip, static_argnames=("frames", "stride"))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 131), st.sampled_from([(4, 4), (4, 1), (13, 1), (7, 2)]), st.integers(0, 99))
@example(15, (13, 1), 49)  # starts at frame 3: too short by one, goes round
@example(17, (13, 1), 49)
def test_clips_follow_the_published_sampler(length, setting, seed):
    frames, stride = setting
    indices = np.asarray(
        sample(jax.random.key(seed), jnp.array(length), frames=frames, stride=stride)
    )
    assert (indices >= 0).all() and (indices < length).all()
    kept = np.arange(indices[0] % stride, length, stride)
    assert set(indices) <= set(kept.tolist())
    if len(range(4, length, stride)) >= frames:  # long enough even if it starts at frame 4
        np.testing.assert_array_equal(np.diff(indices), stride)


def test_every_beginning_and_place_is_drawn():
    clips = draw_clips(np.array([40, 18]), draws=400, frames=4, stride=4, seed=0)
    assert clips.shape == (400, 2, 4)
    assert set(clips[:, 0, 0]) == set(range(28))  # from 0 to 40 − 1 − 12
    assert clips[:, 1].max() == 17
    again = draw_clips(np.array([40, 18]), draws=400, frames=4, stride=4, seed=0)
    np.testing.assert_array_equal(clips, again)


def test_short_sequences_go_round():
    clips = draw_clips(np.array([3]), draws=50, frames=4, stride=1, seed=1)[:, 0]
    for clip in clips:
        steps = np.diff(clip)
        assert ((steps == 1) | (steps <= 0)).all()
        assert clip.max() <= 2


CLIP = np.zeros((4, 4, 4), np.int8)
CLIP[1, 0, 0], CLIP[3, 0, 0], CLIP[2, 0, 1], CLIP[0, 3, 3] = 1, 1, 1, -1


def test_count_code_by_hand():
    plain = clip_image(CLIP)
    assert plain.shape == (4, 4, 8)
    np.testing.assert_array_equal(plain[0, 0], [0, 0, 1, 0, 0, 0, 1, 0])
    pooled = clip_image(CLIP, pool=2)
    np.testing.assert_array_equal(pooled[0, 0], [0, 0, 0.25, 0, 0.25, 0, 0.25, 0])
    assert pooled.sum() * 4 == plain.sum() == 4


def test_first_event_code_by_hand():
    image = clip_image(CLIP, code="first-event")
    assert image.shape == (4, 4, 2)
    np.testing.assert_array_equal(image[0, 0], [0.75, 0])
    np.testing.assert_array_equal(image[3, 3], [0, 1])
    np.testing.assert_array_equal(clip_image(CLIP, code="first-event", pool=2)[0, 0], [0.75, 0])
    times = encode(jnp.asarray(image))
    np.testing.assert_array_equal(times[0, 0], [0.25, NO_SPIKE])


def test_bad_options_are_named():
    with pytest.raises(InputError, match="--pool 3"):
        clip_image(CLIP, pool=3)
    with pytest.raises(InputError, match="--pool 0"):
        clip_image(CLIP, pool=0)
    for name in ("draws", "frames", "stride"):
        with pytest.raises(InputError, match=f"{name} must be a whole number from 1"):
            draw_clips(np.array([3]), **{"draws": 1, "frames": 1, "stride": 1, "seed": 0, name: 0})
    with pytest.raises(InputError, match="no frames"):
        draw_clips(np.array([3, 0]), draws=1, frames=1, stride=1, seed=0)
    with pytest.raises(InputError, match="unknown --code"):
        clip_image(CLIP, code="rate")
    with pytest.raises(InputError, match="2 people"):
        split_by_person(np.array([1, 2]), parts=3, seed=0)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=60, max_size=120), st.integers(0, 9))
def test_nobody_is_in_two_parts(subjects, seed):
    subjects = np.concatenate([subjects, np.arange(1, 13)])
    parts = split_by_person(subjects, parts=3, seed=seed)
    for person in np.unique(subjects):
        assert len(set(parts[subjects == person])) == 1
    sizes = np.bincount(parts, minlength=3)
    assert np.ptp(sizes) <= np.bincount(subjects).max()
    np.testing.assert_array_equal(parts, split_by_person(subjects, parts=3, seed=seed))
