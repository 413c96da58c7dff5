"""The specification file: there and back, names that Rockpool takes, damage."""

import numpy as np
import pytest
from chips import dense

from hardware.xylo.network import check_network
from hardware.xylo.specification import load_specification, save_specification, specify
from ttfs_jax.support.errors import InputError


def two_synapses():
    network = dense(16, 20, 10, 7, alias=np.full(30, -1))
    alias = np.full(30, -1)
    alias[3] = 7
    return network.replace(
        weights_in=np.concatenate([network.weights_in, -2 * network.weights_in], 2),
        weights_rec=np.concatenate([network.weights_rec, 3 * network.weights_rec], 2),
        dash_syn=np.stack([np.full(30, 4), np.full(30, 5)], 1),
        bias=np.arange(30),
        alias=alias,
    )


@pytest.mark.parametrize("network", [dense(16, 20, 10, 7), two_synapses()])
def test_there_and_back(tmp_path, network):
    save_specification(tmp_path / "net.npz", network, chip="xylo-a3")
    found, chip = load_specification(tmp_path / "net.npz")
    assert chip == "xylo-a3"
    for name, expected in vars(check_network(network)).items():
        np.testing.assert_array_equal(getattr(found, name), expected, err_msg=name)
    assert list(tmp_path.iterdir()) == [tmp_path / "net.npz"]


def test_names_are_those_of_the_board_not_of_the_simulator():
    values = specify(two_synapses())
    np.testing.assert_array_equal(values["bias_hidden"], np.arange(30))
    assert "bias" not in values
    assert values["aliases"][3] == [7] and values["aliases"][4] == []
    assert (values["dash_syn_2"] == 5).all()


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "net.npz"
    with pytest.raises(InputError, match="does not exist"):
        load_specification(path)
    save_specification(path, two_synapses(), chip="xylo-a3")
    with pytest.raises(InputError, match="exists"):
        save_specification(path, two_synapses(), chip="xylo-a3")
    whole = path.read_bytes()
    for kept in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        with pytest.raises(InputError, match="truncated"):
            load_specification(path)
    wrong = bytearray(whole)
    wrong[len(whole) // 3] ^= 0xFF
    path.write_bytes(bytes(wrong))
    with pytest.raises(InputError):
        load_specification(path)
    with path.open("wb") as file:
        np.savez(file, format=1, chip="xylo-a3")
    with pytest.raises(InputError, match="is missing"):
        load_specification(path)


def test_what_does_not_fit_is_not_written(tmp_path):
    with pytest.raises(InputError, match="2 synapses a hidden neuron, Xylo-IMU has 1"):
        save_specification(tmp_path / "net.npz", two_synapses(), chip="xylo-imu")
    assert not list(tmp_path.iterdir())
