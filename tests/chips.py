"""Networks of a chip, for several tests."""

import numpy as np

from hardware.xylo.network import ChipNetwork


def dense(channels, first, second, outputs, *, alias=None):
    """A network 16-60-40-7 and the like: layers in a row, all connected."""
    hidden = first + second
    weights_in, weights_rec = np.zeros((channels, hidden, 1)), np.zeros((hidden, hidden, 1))
    weights_out = np.zeros((hidden, outputs))
    weights_in[:, :first], weights_rec[:first, first:], weights_out[first:] = 1, 1, 1
    many, few = np.ones(hidden), np.ones(outputs)
    return ChipNetwork(
        weights_in=weights_in,
        weights_rec=weights_rec,
        weights_out=weights_out,
        dash_syn=np.ones((hidden, 1)),
        dash_mem=many,
        threshold=many,
        bias=0 * many,
        dash_syn_out=few,
        dash_mem_out=few,
        threshold_out=few,
        bias_out=0 * few,
        shift_in=np.int32(0),
        shift_rec=np.int32(0),
        shift_out=np.int32(0),
        alias=alias,
    )
