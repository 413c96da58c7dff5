"""The chip's integer core as a pure function, equal to the vendor's simulator bit for bit.

One step of a hidden neuron: the spikes that arrive are added to the synaptic currents, inputs
first, then hidden neurons by id; currents decay; the potential changes by the currents, its decay
and the bias; n = min(31, ⌊V / θ⌋) spikes, V ← V − n θ. Every sum saturates at 16 bits. Inputs act
in the same step, spikes of hidden neurons one step later. States are integers held exactly by
float32, so that one can train through the core.

Letters: T steps, I inputs, N hidden neurons, S synapses, O outputs.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hardware.xylo.network import STATE_MAX, STATE_MIN, ChipNetwork
from ttfs_jax.errors import InputError

MAX_SPIKES = 31
MAX_EVENTS = 15  # input events a channel and step
SURROGATE_SLOPE = 4.0  # steepness of the spike's stand-in derivative


class Trace(NamedTuple):
    """Everything that happened, step by step."""

    current: jax.Array  # [T, N, S] after decay
    potential: jax.Array  # [T, N] after the spikes
    spikes: jax.Array  # [T, N] number of spikes, 0 … 31
    current_out: jax.Array  # [T, O]
    potential_out: jax.Array  # [T, O]
    spikes_out: jax.Array  # [T, O] 0 or 1
    suspect: jax.Array  # [] a sum may have saturated on its way: the order of events matters


def _power(exponent):
    # jnp.exp2 is not exact for whole numbers.
    return jnp.ldexp(jnp.ones_like(exponent), exponent.astype(jnp.int32))


@jax.custom_vjp
def _decay(state, rate):
    # The shifted value, but 1 where a positive state would lose nothing; below 0 it never is 0.
    return state - jnp.maximum(jnp.floor(state * rate), jnp.minimum(state, 1.0))


def _decay_fwd(state, rate):
    return _decay(state, rate), rate


def _decay_bwd(rate, cotangent):
    return cotangent * (1.0 - rate), jnp.zeros_like(rate)


_decay.defvjp(_decay_fwd, _decay_bwd)


def decay(state: jax.Array, dash: jax.Array) -> jax.Array:
    """Decay by bit shift: x ← x − (x >> d), and by one toward zero if that changes nothing.

    d = 0 clears the state; d = 15 still loses one unit a step. Shapes broadcast alike [...]. The
    gradient is that of x (1 − 2^−d).

    Source: black-box probing of xylosim 0.1.3.
    """
    return _decay(state, _power(-dash))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _count(potential, threshold, most):
    # Half a unit keeps the quotient away from whole numbers, where its rounding would matter.
    return jnp.clip(jnp.floor((potential + 0.5) * (1.0 / threshold)), 0, most)


def _count_fwd(potential, threshold, most):
    return _count(potential, threshold, most), (potential, threshold)


def _count_bwd(most, residuals, cotangent):
    potential, threshold = residuals
    distance = jnp.abs(potential / threshold - 1.0)
    slope = cotangent / (threshold * (1.0 + SURROGATE_SLOPE * distance) ** 2)
    return slope, -slope * potential / threshold


_count.defvjp(_count_fwd, _count_bwd)


def count_spikes(potential: jax.Array, threshold: jax.Array, *, most: int) -> jax.Array:
    """Count the spikes of one step: n = min(most, ⌊V / θ⌋), 0 below the threshold.

    Shapes: [N], [N] -> [N]. The gradient is a surrogate, 1 / θ (1 + s |V / θ − 1|)², that of a
    fast sigmoid about the first spike.

    Source: fast sigmoid, Zenke & Ganguli 2018 (arXiv:1705.11146).
    """
    return _count(potential, threshold, most)


def _saturate(state):
    return jnp.clip(state, STATE_MIN, STATE_MAX)


def _integrate(potential, current, rate, bias):
    """Move the potential by a change that saturates on its own, before and after the bias."""
    change = _saturate(current + (_decay(potential, rate) - potential))
    return _saturate(potential + _saturate(change + bias))


def _add_in_order(state, events, weights):
    """Add what arrives one source after another, saturating each time: [S, N], [J], [J, S, N]."""

    def add(total, source):
        count, weight = source
        return _saturate(total + count * weight), None

    return jax.lax.scan(add, state, (events, weights))[0]


def _receive(state, arriving, *, ordered):
    """Add several (events [J], weights [J, S, N], their sum over J) to the currents [S, N]."""
    if ordered:
        for events, weights, _ in arriving:
            state = _add_in_order(state, events, weights)
        return state
    return _saturate(state + sum(drive for _, _, drive in arriving))


def _may_saturate(largest, arriving):
    """Tell whether a sum could leave 16 bits before it is complete.

    Bounds |I| + Σ_j |w_j| n_j by the largest value of each term in the whole run: largest [S, N],
    arriving pairs of events [T, J] and weights [J, S, N].
    """
    for events, weights in arriving:
        largest = largest + jnp.tensordot(events.max(0), jnp.abs(weights), 1)
    return largest.max() > STATE_MAX


def _one_later(values):
    return jnp.concatenate([jnp.zeros_like(values[:1]), values[:-1]])


def _hand_on(own, alias):
    """Let aliases spike along: own spikes [N], targets [N] -> own spikes kept [N], all spikes [N].

    Neurons are handled by ascending id. A neuron's own spikes and those handed to it so far are
    at most 31 together; own spikes beyond are not fired.
    """

    def handle(carry, number):
        kept, total = carry
        fired = jnp.minimum(own[number], MAX_SPIKES - total[number])
        kept, total = kept.at[number].set(fired), total.at[number].add(fired)
        target = alias[number]
        handed = jnp.where(target >= 0, total[number], 0.0)
        handed = jnp.minimum(total[target] + handed, MAX_SPIKES)
        return (kept, total.at[target].set(handed)), None

    nothing = jnp.zeros_like(own)
    (kept, total), _ = jax.lax.scan(handle, (nothing, nothing), jnp.arange(own.shape[0]))
    return kept, total


def run(network: ChipNetwork, events: jax.Array, *, ordered: bool = False) -> Trace:
    """Run the core from rest.

    Shapes: events [T, I] (0 … 15 a channel and step) -> `Trace`. A neuron without a spike counts
    0. Pure and unbatched: vmap over events, networks or both. Where `suspect` is set, currents
    came near the 16-bit limit and only `ordered=True`, which adds event by event as the chip
    does and is many times slower, is exact; `simulate` takes care of that.

    Source: arithmetic and order of operations probed from xylosim 0.1.3, which reproduces a board
    trace of Xylo-Audio 3 in Rockpool's history.
    """
    net = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), network)
    events = jnp.clip(events.astype(jnp.float32), 0, MAX_EVENTS)
    channels, hidden, outputs, synapses = network.sizes
    scale_in, scale_rec, scale_out = map(_power, (net.shift_in, net.shift_rec, net.shift_out))
    # Neurons last, so that a step is a few products and operations along neurons.
    weights_in = jnp.swapaxes(net.weights_in, 1, 2) * scale_in
    weights_rec = jnp.swapaxes(net.weights_rec, 1, 2) * scale_rec
    weights_out = (net.weights_out * scale_out)[:, None]
    rate_syn, rate_mem, rate_syn_out, rate_mem_out = (
        _power(-dash) for dash in (net.dash_syn.T, net.dash_mem, net.dash_syn_out, net.dash_mem_out)
    )
    drive_in = (events @ weights_in.reshape(channels, -1)).reshape(-1, synapses, hidden)
    flat = weights_rec.reshape(hidden, -1)

    def step(carry, arriving):
        current, potential, spikes, largest = carry
        counts, drive = arriving
        recurrent = (spikes @ flat).reshape(synapses, hidden)
        current = _receive(
            current,
            ((counts, weights_in, drive), (spikes, weights_rec, recurrent)),
            ordered=ordered,
        )
        current = _decay(current, rate_syn)
        potential = _integrate(potential, current.sum(0), rate_mem, net.bias)
        own = spikes = count_spikes(potential, net.threshold, most=MAX_SPIKES)
        if network.alias is not None:
            own, spikes = _hand_on(own, network.alias)
        potential = potential - own * net.threshold
        largest = jnp.maximum(largest, jnp.abs(current))
        return (current, potential, spikes, largest), (current, potential, spikes)

    nothing = jnp.zeros((synapses, hidden))
    (*_, largest), (current, potential, spikes) = jax.lax.scan(
        step, (nothing, nothing[0], nothing[0], nothing), (events, drive_in)
    )

    def step_out(carry, arriving):
        current, potential, largest = carry
        counts, drive = arriving
        current = _receive(current, ((counts, weights_out, drive),), ordered=ordered)
        current = _decay(current, rate_syn_out)
        potential = _integrate(potential, current[0], rate_mem_out, net.bias_out)
        fired = count_spikes(potential, net.threshold_out, most=1)
        potential = potential - fired * net.threshold_out
        largest = jnp.maximum(largest, jnp.abs(current))
        return (current, potential, largest), (current[0], potential, fired)

    nothing = jnp.zeros((1, outputs))
    drive_out = (spikes @ weights_out[:, 0])[:, None]
    (*_, largest_out), (current_out, potential_out, fired) = jax.lax.scan(
        step_out, (nothing, nothing[0], nothing), (_one_later(spikes), _one_later(drive_out))
    )
    suspect = _may_saturate(largest, ((events, weights_in), (spikes, weights_rec)))
    suspect |= _may_saturate(largest_out, ((spikes, weights_out),))
    return Trace(
        current=jnp.swapaxes(current, 1, 2),
        potential=potential,
        spikes=spikes,
        current_out=current_out,
        potential_out=potential_out,
        spikes_out=fired,
        suspect=suspect & (not ordered),
    )


@partial(jax.jit, static_argnames="ordered")
def _run_batch(network, events, ordered):
    return jax.vmap(lambda one: run(network, one, ordered=ordered))(events)


def check_events(events: np.ndarray, channels: int) -> np.ndarray:
    """Check input events [B, T, I]. Raises: InputError for another shape, NaN or other counts."""
    events = np.asarray(events)
    if events.ndim != 3 or events.shape[2] != channels:
        raise InputError(f"events must be [B, T, {channels}], not {events.shape}")
    if not np.isfinite(events).all() or (events != np.round(events)).any():
        raise InputError("events must be whole numbers: NaN or fractions cannot enter the chip")
    if events.size and (events.min() < 0 or events.max() > MAX_EVENTS):
        raise InputError(
            f"events must be 0 … {MAX_EVENTS} a channel and step, but span {events.min():g} … "
            f"{events.max():g}: use longer windows or scale the input"
        )
    return events.astype(np.float32)


def simulate(network: ChipNetwork, events: np.ndarray) -> Trace:
    """Run a batch from rest, exact in every case: events [B, T, I] -> `Trace`, each [B, ...].

    Samples whose currents came near saturation are computed again event by event.

    Raises: InputError for events that the chip cannot take.
    """
    events = check_events(events, network.sizes[0])
    trace = jax.tree.map(np.array, _run_batch(network, events, False))
    again = np.flatnonzero(trace.suspect)
    if len(again):
        # Filled up to a power of two, so that few programs are compiled.
        size = 1 << (len(again) - 1).bit_length()
        rows = np.resize(again, size)
        exact = _run_batch(network, events[rows], True)
        for whole, part in zip(trace[:-1], exact[:-1], strict=True):
            whole[again] = np.asarray(part)[: len(again)]
    return trace
