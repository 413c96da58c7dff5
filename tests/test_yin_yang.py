"""The Yin-Yang set: the published values, the classes at their borders, the encoding."""

import numpy as np
import pytest

from ttfs_jax.datasets import yin_yang

# First and last sample and the first labels of the authors' published arrays.
PUBLISHED = {
    "train": ((0.68030754, 0.45049925), (0.76907972, 0.58833893), [2, 1, 2, 1, 1, 1]),
    "validation": ((0.68057273, 0.32097339), (0.71070410, 0.80473335), [0, 1, 0, 0, 2, 1]),
    "test": ((0.23409665, 0.40172498), (0.32834061, 0.38998304), [2, 2, 1, 1, 1, 2]),
}


@pytest.fixture(scope="module")
def data():
    return yin_yang.load_yin_yang()


@pytest.mark.parametrize("part", PUBLISHED)
def test_equals_the_published_arrays(data, part):
    first, last, labels = PUBLISHED[part]
    points = getattr(data, part)
    np.testing.assert_allclose(points.samples[[0, -1], :2], [first, last], atol=1e-8)
    assert points.labels[:6].tolist() == labels
    assert points.samples.shape == ((5000 if part == "train" else 1000), 4)


def test_samples_are_mirrored_balanced_and_in_the_disc(data):
    samples, labels = data.train
    np.testing.assert_array_equal(samples[:, 2:], 1.0 - samples[:, :2])
    assert np.bincount(labels).tolist() == [1681, 1702, 1617]
    assert (np.hypot(*(samples[:, :2] - 0.5).T) <= 0.5).all()


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((0.25, 0.5), 2),
        ((0.75, 0.45), 2),
        ((0.25, 0.35), 1),  # round the left dot
        ((0.75, 0.65), 0),  # round the right dot
        ((0.5, 0.9), 1),
        ((0.5, 0.1), 0),
    ],
)
def test_classes(point, expected):
    assert yin_yang.yin_yang_class(*point) == expected


def test_times_are_linear_in_the_coordinates():
    times = yin_yang.to_times(np.array([[0.0, 0.5, 1.0, 0.2]]))
    np.testing.assert_allclose(times, [[0.15, 1.075, 2.0, 0.52]])
