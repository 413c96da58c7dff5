"""A plan that is none names the layer, and what would mend it."""

from functools import partial

import pytest

from ttfs_jax.codes.rate import Rate
from ttfs_jax.network.kinds import (
    Layer,
    Width,
    average_pool,
    convolution,
    dense,
    earliest_pool,
    pixel_shuffle,
    readout,
)
from ttfs_jax.network.plan import Plan
from ttfs_jax.support.errors import InputError


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((dense("a", 3),), "no read-out"),
        (readout("a", 3), "takes a tuple of layers"),
        ((), "takes a tuple of layers"),
        ((convolution(1, 3), readout("c", 2)), "cannot be named 1"),
        ((convolution("a", 3.0), readout("c", 2)), "a whole number"),
        ((convolution("a", 3, stride=1.5), readout("c", 2)), "stride or factor from 1"),
        ((convolution("a", 3, kernel=0), readout("c", 2)), "odd kernels"),
        ((dense("a", Width(3, "width", 0)), readout("c", 2)), "the gene 'width': use widths"),
        ((readout("a", 3), dense("b", 3, after="a")), "sends no spikes"),
        ((convolution("a", 3), convolution("a", 3), readout("c", 2)), "cannot be named"),
        ((convolution("a", 3), convolution("a/b", 3), readout("c", 2)), "a layer and a group"),
        ((convolution("a", 3, after="b"), readout("c", 2)), "unknown layer before a"),
        ((convolution("a", 3, add="input"), readout("c", 2)), "adds or hands on input"),
        ((convolution("a", 3, kernel=2), readout("c", 2)), "odd kernels"),
        ((convolution("a", 0), readout("c", 2)), "one channel or more"),
        ((convolution("a", 3, code="ttsf"), readout("c", 2)), "did you mean ttfs"),
        ((convolution("a", 3, code=Rate(8)), readout("c", 2)), "a takes the name of a code"),
        ((convolution("params", 3), readout("c", 2)), "cannot be named 'params'"),
        ((convolution("params/a", 3), readout("c", 2)), "cannot be named 'params/a'"),
        ((Layer("a", "add", width=Width(3)), readout("c", 2)), "leave its width out"),
        ((Layer("a", "add", skips=("input",)), readout("c", 2)), "cannot have skip connections"),
        ((Layer("a", "earliest_pool", block=0), readout("c", 2)), "leave its block out"),
        ((Layer("a", "dense", (), Width(3), (1, 1)), readout("c", 2)), "one kernel, or a block"),
        ((Layer("a", "dense", (), Width(3), ()), readout("c", 2)), "one kernel, or a block"),
        ((Layer("a", "dense", (), Width(3), (1,), 1), readout("c", 2)), "from 0 without gaps"),
        ((dense("a", Width(3, "widths", 1)), readout("c", 2)), "from 0 without gaps, not 1"),
        ((dense("a", Width(3, "widths")), readout("c", 2)), "from 0 without gaps, not None"),
        ((dense("a", Width(3, "head", 0)), readout("c", 2)), "a place, which only widths has"),
        (
            (
                Layer("a", "dense", (), Width(3), (1, 1), 0),
                Layer("b", "dense", (), Width(3), (1,), 0),
                readout("c", 2),
            ),
            "b needs as many kernels",
        ),
    ],
)
def test_a_plan_that_is_none_names_the_layer(layers, message):
    with pytest.raises(InputError, match=message):
        Plan((4, 4, 1), layers)


@pytest.mark.parametrize("shape", [(4, 4), (0, 4, 1), (4.0, 4, 1), 4])
def test_an_image_has_height_width_and_channels(shape):
    with pytest.raises(InputError, match="must be height, width and channels"):
        Plan(shape, (readout("end", 2),))
    assert hash(Plan([4, 4, 1], [readout("end", 2)])) == hash(Plan((4, 4, 1), (readout("end", 2),)))


def test_pools_need_spikes_and_shuffles_need_channels():
    end = readout("end", 2)
    with pytest.raises(InputError, match="needs spikes, but mean only passes charge on"):
        Plan((4, 4, 1), (average_pool("mean"), earliest_pool("first"), end))
    with pytest.raises(InputError, match="needs a multiple of 4 channels"):
        Plan((4, 4, 1), (pixel_shuffle("shuffle"), end))
    with pytest.raises(InputError, match="fix its width"):
        free = convolution("free", Width(4, "widths", 0))
        Plan((4, 4, 1), (free, pixel_shuffle("shuffle"), end))


@pytest.mark.parametrize("names", [None, 3, ("a", 3), convolution("a", 2)])
def test_layers_are_heard_by_name(names):
    for write in (partial(convolution, "b", 2, after=names), partial(dense, "b", 2, add=names)):
        with pytest.raises(InputError, match="by their names"):
            write()


def test_a_layer_may_be_written_with_lists():
    layer = Layer("a", "convolution", ["input"], Width(2), [3], skips=[])
    assert hash(layer) == hash(Layer("a", "convolution", ("input",), Width(2), (3,)))


def test_skips_lead_to_channels_in_use():
    gene, other = Width(4, "widths", 0), Width(4, "widths", 1)
    first, end = convolution("first", gene), readout("end", 2)
    for width in (gene, 4):
        assert Plan((4, 4, 1), (first, convolution("a", width, add="first"), end))
    with pytest.raises(InputError, match=r"a adds or hands on first, .* the same width"):
        Plan((4, 4, 1), (first, convolution("a", other, add="first"), end))
    with pytest.raises(InputError, match=r"b adds or hands on a, .* the same width"):
        Plan((4, 4, 1), (first, convolution("a", 4), convolution("b", gene, add="a"), end))
    skipped = Layer("b", "convolution", (), gene, kernels=(0, 3), block=0)
    with pytest.raises(InputError, match=r"b adds or hands on a, .* the same width"):
        Plan((4, 4, 1), (first, convolution("a", 4), skipped, end))
