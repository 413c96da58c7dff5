"""What the exact mapping refuses: stacks that do not fit, and inputs that are no activations."""

import numpy as np
import pytest
from exact_networks import UNIT, converted, drawn, encode_for, tiny

from hardware.xylo.mappings.exact import convert
from ttfs_jax.network.dense import Dense
from ttfs_jax.support.errors import InputError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": ()}, "at least one layer"),
        ({"layers": (UNIT._replace(kernel=np.full((1, 1), np.nan)), UNIT)}, "layer 0 holds NaN"),
        ({"layers": (UNIT, UNIT._replace(bias=np.array([np.inf])))}, "layer 1 holds NaN"),
        ({"layers": (UNIT, Dense(np.ones((2, 1)), np.zeros(1)))}, r"a kernel \[1, O\]"),
        ({"layers": (UNIT, UNIT._replace(bias=np.zeros(2)))}, "layer 1 must be"),
        ({"layers": (UNIT._replace(kernel=np.ones(1)), UNIT)}, "layer 0 must be"),
        ({"layers": (Dense(np.ones((17, 1)), np.zeros(1)), UNIT)}, "17 input channels.*pool"),
        ({"window_lengths": []}, "window_lengths must be 1 positive"),
        ({"window_lengths": [0.0]}, "window_lengths must be 1 positive"),
        ({"window_lengths": [np.nan]}, "window_lengths must be 1 positive"),
        ({"window_lengths": [np.ones(1)]}, "window_lengths must be 1 positive"),
        ({"logit_range": (1.0, 1.0)}, "low < high"),
        ({"logit_range": (0.0, np.inf)}, "low < high"),
        ({"logit_range": (0.0, 1.0, 2.0)}, "low < high"),
        ({"steps": 1}, "from 2 on"),
        ({"steps": 16.5}, "from 2 on"),
        ({"steps": 40_000}, "R T must stay within 16 bits: use fewer steps"),
        ({"layers": (UNIT._replace(kernel=np.full((1, 1), 200.0)), UNIT)}, "neuron 0 of layer 0"),
        ({"synapses": 3}, "1 or 2 synapses"),
        ({"chip": "xylo-imu"}, "Xylo-IMU has 1: use one"),
        ({"chip": "xylo"}, "unknown chip"),
    ],
)
def test_what_cannot_be_converted_is_refused(change, message):
    given = {"layers": (UNIT, UNIT), "window_lengths": [1.0], "logit_range": (0.0, 1.0)} | change
    with pytest.raises(InputError, match=message):
        convert(**given)


def test_too_many_units_are_refused():
    layers, inputs = drawn(0, (16, 129, 4))
    with pytest.raises(InputError, match="inputs reach hidden neuron 128"):
        converted(layers, inputs)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros(1), r"\[B, I\]"),
        (np.full((1, 1), np.nan), "not NaN"),
        (np.full((1, 1), 1.1), "within 0 … 1"),
    ],
)
def test_inputs_that_are_no_activations_are_refused(inputs, message):
    with pytest.raises(InputError, match=message):
        encode_for(tiny(), inputs)
