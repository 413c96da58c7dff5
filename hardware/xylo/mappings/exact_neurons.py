"""Constant-slope neurons and their timers in whole numbers: slopes, thresholds, pulses.

Times are steps. The inputs of a layer arrive from its start on, that of activation a, as a share
of its window, T (1 − a) steps later; all have arrived T steps after the start, when the firing
window begins. Letters: J inputs and N neurons of a layer, T steps of a window.
"""

from typing import NamedTuple

import numpy as np

from hardware.xylo.network import STATE_MAX
from ttfs_jax.support.errors import InputError

LARGEST = 127  # of a weight; symmetric
# A relay fires the largest number of spikes at once, so that its weights count 31-fold.
GAIN = 31
REACH = LARGEST * GAIN  # largest current that a relay starts


class Slopes(NamedTuple):
    """One layer of constant-slope neurons, in units of the potential."""

    weights: np.ndarray  # [J, N] w
    slope: np.ndarray  # [N] R, rise of the potential per step in the firing window
    goal: np.ndarray  # [N] charge at which the neuron fires, without lift and leaks
    lift: np.ndarray  # [N] y, current from the layer's start on
    ramp: np.ndarray  # [N] current from the start of the firing window on
    threshold: np.ndarray  # [N] θ


def holding(steps: int, synapses: int) -> int:
    """Return the opposite currents that two synapses hold, 0 for a single one.

    Both lose one unit per step, in opposite directions, as long as neither reaches 0; a layer is
    live for 2 T steps.
    """
    return 2 * steps + 1 if synapses == 2 else 0


def fit_slopes(
    kernel: np.ndarray, bias: np.ndarray, *, steps: int, synapses: int, name: str
) -> Slopes:
    """Round a layer, whose activations are shares of their windows, to slopes and thresholds.

    At step m of the firing window the potential is V = 1 + y T + Σ_j w_j (T − k_j) + R m, with
    w = R W rounded and the spike times k_j = T (1 − a_j) of the inputs, and it has to cross
    θ = 1 + y T + R T (1 − b) − R / 2 at m = T (1 − a), rounded, where a = Σ_j W_j a_j + b. The 1 is
    where bias and leak balance. R is the largest that weights, currents and 16 bits allow.

    The lift y does three things. It makes θ > R (T + 1), so that there is no second spike, whatever
    the bias. It takes all that R leaves of the 16 bits, so that partial sums, while inputs still
    arrive, seldom cross the threshold before the window. And it keeps most currents of neurons with
    one synapse positive, whose loss of one unit per step is then known and compensated in ramp and
    threshold; a current below 0 is an error there.

    Shapes: kernel [J, N], bias [N] -> `Slopes`; T is `steps`, `synapses` is the number per neuron,
    and `name` is what messages call the layer.

    Raises: InputError when some neuron would have a slope below one unit.
    """
    hold, inputs, total = holding(steps, synapses), len(kernel), kernel.sum(0)
    # Lost after n steps: n (n + 1) / 2. A line in m = n − T comes within T² / 16 of it.
    lost_slope = round(1.5 * steps) if synapses == 1 else 0
    leakage = steps * (steps + 1) / 2 - steps**2 / 16 if synapses == 1 else 0.0
    least = np.maximum(bias + 1.5 / steps, 0.0)
    with np.errstate(divide="ignore"):
        limits = (
            LARGEST / np.abs(kernel).max(0),
            (STATE_MAX - 1 - steps) / (steps * (1.0 - bias + least)),
            # Rounding moves the sum of the weights by up to J / 2.
            (REACH - lost_slope - inputs / 2 - 1) / np.abs(1.0 - total - least),
            (REACH - hold - 1) / least,
            # The end of the window is a pulse, too.
            np.full_like(total, REACH - 2 * steps),
        )
    slope = np.floor(np.min(limits, 0))
    if not (slope >= 1).all():
        worst = int(np.argmin(slope))
        raise InputError(
            f"with {steps=} neuron {worst} of {name} would rise by less than 1 unit per step, "
            "as R T must stay within 16 bits: use fewer steps, or smaller weights and biases"
        )
    weights = np.round(kernel * slope)
    goal = slope * steps * (1.0 - bias) - slope / 2
    rise = slope + lost_slope - weights.sum(0)
    most = np.minimum((STATE_MAX - 1 - goal) / steps, rise + REACH)
    lift = np.floor(np.minimum(most, REACH - hold))
    threshold = np.ceil(1 + goal - leakage + lift * steps)
    whole = (array.astype(np.int64) for array in (lift, rise - lift, threshold))
    return Slopes(weights.astype(np.int64), slope.astype(np.int64), goal, *whole)


def split(current: np.ndarray, synapses: int) -> np.ndarray:
    """Divide `current` among the `synapses`, positive weights first: [...] -> [..., S]."""
    if synapses == 1:
        return current[..., None]
    return np.stack([np.maximum(current, 0), np.minimum(current, 0)], -1)


def coarse_and_fine(current: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Make a current of 31 q + r: weights q of a relay and r of a timer, of the same shape."""
    coarse = np.round(current / GAIN).astype(np.int64)
    return coarse, current - GAIN * coarse
