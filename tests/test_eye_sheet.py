"""Pictures of the simulated eye: which frame is shown, and that a GIF keeps every frame."""

import numpy as np
from PIL import Image

from benchmarks.reports.eye_sheet import draw_sheet, liveliest, write_gif
from ttfs_jax.datasets.eye.simulator import Recording


def recording():
    generator = np.random.default_rng(0)
    events = np.zeros((5, 16, 16), np.int8)
    events[3, :2] = -1
    events[4, 0] = 1
    # Frames must differ, or the GIF writer joins them.
    light = generator.integers(0, 256, (5, 16, 16), dtype=np.uint8)
    return Recording(events, light)


def test_sheet_shows_the_liveliest_frame_under_its_caption():
    assert liveliest(recording()) == 3
    figure = draw_sheet({"angry": recording(), "fear": recording()})
    assert figure.get_suptitle() == "simulated eye data"
    assert [axis.get_title() for axis in figure.axes[:2]] == ["angry", "fear"]
    shown = figure.axes[2].get_images()[0].get_array()
    np.testing.assert_array_equal(np.unique(shown[:2]), [0])
    np.testing.assert_array_equal(np.unique(shown[2:]), [128])


def test_gif_holds_every_frame_at_thirty_a_second(tmp_path):
    write_gif(tmp_path / "eye.gif", recording(), scale=3)
    with Image.open(tmp_path / "eye.gif") as image:
        assert image.n_frames == 5
        assert image.size == (2 * 16 * 3, 16 * 3)
        assert image.info["duration"] in (30, 33)
