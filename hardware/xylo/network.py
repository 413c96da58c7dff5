"""A network as the chip holds it: integer weights, bit-shift decays, thresholds.

Letters: I input channels, N hidden neurons, S synapses of a hidden neuron (1 or 2), O output
neurons.
"""

import dataclasses

import numpy as np
from flax import struct

from ttfs_jax.support import Array
from ttfs_jax.support.errors import InputError

STATE_MIN, STATE_MAX = -32768, 32767
# Smallest and largest value of every field; width of the chip's registers (xylosim/tools.py).
RANGES = {
    "weights_in": (-128, 127),
    "weights_rec": (-128, 127),
    "weights_out": (-128, 127),
    "dash_syn": (1, 15),
    "dash_mem": (0, 15),
    "dash_syn_out": (1, 15),
    "dash_mem_out": (0, 15),
    "threshold": (1, STATE_MAX),
    "threshold_out": (1, STATE_MAX),
    "bias": (-128, 127),
    "bias_out": (-128, 127),
    "shift_in": (0, 15),
    "shift_rec": (0, 15),
    "shift_out": (0, 15),
}


@struct.dataclass
class ChipNetwork:
    """All parameters of the core. Values are integers, of any dtype that holds them."""

    weights_in: Array  # [I, N, S] int8 range
    weights_rec: Array  # [N, N, S] from, to; int8 range
    weights_out: Array  # [N, O] int8 range
    dash_syn: Array  # [N, S] decay of the synaptic currents, in bits
    dash_mem: Array  # [N] decay of the membrane potential, in bits
    threshold: Array  # [N]
    bias: Array  # [N] added to the membrane potential in every step
    dash_syn_out: Array  # [O]
    dash_mem_out: Array  # [O]
    threshold_out: Array  # [O]
    bias_out: Array  # [O]
    shift_in: Array  # [] left shift of weights_in, in bits
    shift_rec: Array  # []
    shift_out: Array  # []
    alias: Array | None = None  # [N] neuron that spikes too, or −1; None: no aliases

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Count input channels, hidden neurons, outputs and synapses per hidden neuron."""
        channels, hidden, synapses = self.weights_in.shape
        return channels, hidden, self.weights_out.shape[1], synapses

    @property
    def alias_lists(self) -> list[list[int]]:
        """List the targets of every hidden neuron, as Rockpool and XyloSim take them."""
        if self.alias is None:
            return [[] for _ in range(self.sizes[1])]
        return [[int(target)] if target >= 0 else [] for target in np.asarray(self.alias)]


def shapes(network: ChipNetwork) -> dict[str, tuple[int, ...]]:
    """Return the shape that every field of `network` must have, given those of its weights."""
    channels, hidden, outputs, synapses = network.sizes
    of_outputs = dict.fromkeys(
        ("dash_syn_out", "dash_mem_out", "threshold_out", "bias_out"), (outputs,)
    )
    return {
        "weights_in": (channels, hidden, synapses),
        "weights_rec": (hidden, hidden, synapses),
        "weights_out": (hidden, outputs),
        "dash_syn": (hidden, synapses),
        **dict.fromkeys(("dash_mem", "threshold", "bias"), (hidden,)),
        **of_outputs,
        **dict.fromkeys(("shift_in", "shift_rec", "shift_out"), ()),
    }


def check_network(network: ChipNetwork) -> ChipNetwork:
    """Check shapes, finiteness, integers and bit ranges; return the network as int32 arrays.

    Raises: InputError that names the field and what is wrong with it.
    """
    if np.ndim(network.weights_in) != 3 or np.ndim(network.weights_out) != 2:
        raise InputError("weights_in must be [I, N, S] and weights_out [N, O]")
    if network.sizes[3] not in (1, 2):
        raise InputError(f"a hidden neuron has 1 or 2 synapses, not {network.sizes[3]}")
    checked = {}
    for name, shape in shapes(network).items():
        values = np.asarray(getattr(network, name))
        if values.shape != shape:
            raise InputError(f"{name} must have shape {shape}, not {values.shape}")
        if not np.isfinite(values).all():
            raise InputError(f"{name} holds NaN or infinity: train again with a lower rate")
        if (values != np.round(values)).any():
            raise InputError(f"{name} must hold integers: quantise the network first")
        low, high = RANGES[name]
        if values.size and (values.min() < low or values.max() > high):
            hint = " (a decay of 0 bits kills the synapse)" if name.startswith("dash_syn") else ""
            raise InputError(
                f"{name} must be within {low} … {high}, but spans {values.min():g} … "
                f"{values.max():g}{hint}"
            )
        checked[name] = values.astype(np.int32)
    for part in ("in", "rec", "out"):
        reach = int(np.abs(checked[f"weights_{part}"]).max(initial=0)) << checked[f"shift_{part}"]
        if reach > -STATE_MIN:
            raise InputError(
                f"weights_{part} shifted left by {checked[f'shift_{part}']} bits leave the 16 bits "
                "of the synaptic current: use a smaller shift"
            )
    if network.alias is not None:
        checked["alias"] = _check_alias(np.asarray(network.alias), network.sizes[1])
    return dataclasses.replace(network, **checked)


def _check_alias(alias: np.ndarray, hidden: int) -> np.ndarray:
    if alias.shape != (hidden,) or (alias != np.round(alias)).any():
        raise InputError(f"alias must be [{hidden}] integers, one target (or −1) per neuron")
    if alias.size and (alias.min() < -1 or alias.max() >= hidden):
        raise InputError(f"alias targets must be −1 or ids below {hidden}")
    if (alias == np.arange(hidden)).any():
        raise InputError("a neuron cannot be its own alias")
    return alias.astype(np.int32)
