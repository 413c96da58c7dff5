"""Limits of the chips: at the limit a network fits, one beyond it is refused with the amount."""

import numpy as np
import pytest
from chips import dense

from hardware.xylo.families import FAMILIES, family, require_fit, violations
from ttfs_jax.support.errors import InputError


@pytest.mark.parametrize("name", FAMILIES)
def test_small_network_fits_everywhere(name):
    require_fit(dense(16, 60, 40, 7), family(name))


@pytest.mark.parametrize(
    ("name", "sizes", "messages"),
    [
        ("xylo-a3", (17, 60, 40, 7), ["17 input channels, Xylo-Audio 3 has 16: pool the input"]),
        ("xylo-imu", (16, 128, 369, 7), ["497 hidden neurons", "take out 1"]),
        ("xylo-a2", (16, 60, 40, 9), ["9 output neurons, Xylo-Audio 2 has 8: take out 1"]),
        ("xylo-a2", (16, 10, 65, 7), ["65 hidden neurons reached from neuron 0", "split"]),
        ("xylo-a3", (16, 129, 40, 7), ["reach hidden neuron 128", "129 neurons need one"]),
        ("xylo-a3", (16, 60, 129, 7), ["hidden neuron 60 reaches outputs", "take out 1"]),
    ],
)
def test_every_limit(name, sizes, messages):
    found = "; ".join(violations(dense(*sizes), family(name)))
    for message in messages:
        assert message in found
    with pytest.raises(InputError, match="does not fit Xylo"):
        require_fit(dense(*sizes), family(name))


def test_largest_layers_fit():
    assert violations(dense(16, 128, 128, 32), family("xylo-a3")) == ()
    assert violations(dense(16, 10, 64, 8), family("xylo-a2")) == ()


def test_memory_counts_pairs_not_synapses():
    network = dense(16, 128, 128, 7)
    two = network.replace(
        weights_in=network.weights_in.repeat(2, 2),
        weights_rec=network.weights_rec.repeat(2, 2),
        dash_syn=network.dash_syn.repeat(2, 1),
    )
    assert violations(two, family("xylo-a3")) == ()
    assert violations(two, family("xylo-imu")) == (
        "2 synapses a hidden neuron, Xylo-IMU has 1: use one",
    )
    full = two.replace(weights_rec=np.ones((256, 256, 2)))
    assert violations(full, family("xylo-a3")) == (
        "65536 connections among hidden neurons, Xylo-Audio 3 has 31744: prune 33792",
    )


def test_neurons_with_wrong_ids_can_be_moved():
    network = dense(16, 60, 140, 7)
    shuffled = np.roll(np.arange(200), 140)
    moved = network.replace(
        weights_in=np.asarray(network.weights_in)[:, shuffled],
        weights_out=np.zeros((200, 7)),
    )
    (found,) = violations(moved, family("xylo-a3"))
    assert "inputs reach hidden neuron 199" in found and "give 60 neurons other ids" in found


def test_unknown_chip():
    with pytest.raises(InputError, match="did you mean xylo-a3"):
        family("xylo-a33")
