"""The chip's integer core as a pure function, equal to the vendor's simulator bit for bit.

One step of a hidden neuron: the spikes that arrive are added to the synaptic currents, inputs
first, then hidden neurons by id; currents decay; the potential changes by the currents, its decay
and the bias; n = min(31, ⌊V / θ⌋) spikes, V ← V − n θ. Every sum saturates at 16 bits. Inputs act
in the same step, spikes of hidden neurons one step later. States are integers held exactly by
float32, so that one can train through the core.

Letters: T steps, I inputs, N hidden neurons, S synapses, O outputs.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hardware.xylo.arithmetic import count_spikes, decay, integrate, power, saturate
from hardware.xylo.network import STATE_MAX, ChipNetwork
from ttfs_jax.errors import InputError

MAX_SPIKES = 31
MAX_EVENTS = 15  # input events a channel and step


class Trace(NamedTuple):
    """Everything that happened, step by step."""

    current: jax.Array  # [T, N, S] after decay
    potential: jax.Array  # [T, N] after the spikes
    spikes: jax.Array  # [T, N] number of spikes, 0 … 31
    current_out: jax.Array  # [T, O]
    potential_out: jax.Array  # [T, O]
    spikes_out: jax.Array  # [T, O] 0 or 1
    suspect: jax.Array  # [] a sum may have saturated on its way: the order of events matters


def _add_in_order(state, events, weights):
    """Add what arrives one source after another, saturating each time: [S, N], [J], [J, S, N]."""

    def add(total, source):
        count, weight = source
        return saturate(total + count * weight), None

    return jax.lax.scan(add, state, (events, weights))[0]


def _receive(state, arriving, *, ordered):
    """Add several (events [J], weights [J, S, N], their sum over J) to the currents [S, N]."""
    if ordered:
        for events, weights, _ in arriving:
            state = _add_in_order(state, events, weights)
        return state
    return saturate(state + sum(drive for _, _, drive in arriving))


def _may_saturate(largest, arriving):
    """Tell whether a sum could leave 16 bits before it is complete.

    Bounds |I| + Σ_j |w_j| n_j by the largest value of each term in the whole run: largest [S, N],
    arriving pairs of events [T, J] and weights [J, S, N].
    """
    for events, weights in arriving:
        largest = largest + jnp.tensordot(events.max(0), jnp.abs(weights), 1)
    return largest.max() > STATE_MAX


def one_later(values):
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


class Neurons(NamedTuple):
    rate_syn: jax.Array  # [S, N] share of the current lost in a step
    rate_mem: jax.Array  # [N]
    threshold: jax.Array  # [N]
    bias: jax.Array  # [N]


def evolve(neurons, arriving, receive, *, most, alias=None):
    """Step neurons from rest through what arrives, each leaf [T, ...].

    `receive(current [S, N], spikes [N] of the step before, arriving)` gives the new current.
    Returns the largest |current| in the run [S, N], and currents, potentials, spikes, each [T, ..].
    """

    def step(carry, now):
        current, potential, spikes, largest = carry
        current = decay(receive(current, spikes, now), neurons.rate_syn)
        potential = integrate(potential, current.sum(0), neurons.rate_mem, neurons.bias)
        own = spikes = count_spikes(potential, neurons.threshold, most=most)
        if alias is not None:
            own, spikes = _hand_on(own, alias)
        potential = potential - own * neurons.threshold
        largest = jnp.maximum(largest, jnp.abs(current))
        return (current, potential, spikes, largest), (current, potential, spikes)

    nothing = jnp.zeros_like(neurons.rate_syn)
    (*_, largest), recorded = jax.lax.scan(
        step, (nothing, nothing[0], nothing[0], nothing), arriving
    )
    return largest, recorded


def drive_of(events, weights):
    """Sum what arrives in every step: [T, J], [J, S, N] -> [T, S, N]."""
    return (events @ weights.reshape(weights.shape[0], -1)).reshape(-1, *weights.shape[1:])


def run(
    network: ChipNetwork,
    events: jax.Array,
    *,
    ordered: bool = False,
) -> Trace:
    """Run the core from rest.

    Shapes: events [T, I] (0 … 15 a channel and step) -> `Trace`. A neuron without a spike counts
    0. Pure and unbatched: vmap over events, networks or both. Where `suspect` is set, currents may
    have come near the 16-bit limit and only `ordered=True`, which adds event by event as the chip
    does and is many times slower, is exact; `simulate` takes care of that.

    Source: arithmetic and order of operations probed from xylosim 0.1.3, which reproduces a board
    trace of Xylo-Audio 3 in Rockpool's history.
    """
    net = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), network)
    events = jnp.clip(events.astype(jnp.float32), 0, MAX_EVENTS)
    # Neurons last, so that a step is a few products and operations along neurons.
    weights_in = jnp.swapaxes(net.weights_in, 1, 2) * power(net.shift_in)
    weights_rec = jnp.swapaxes(net.weights_rec, 1, 2) * power(net.shift_rec)
    weights_out = (net.weights_out * power(net.shift_out))[:, None]
    hidden = Neurons(power(-net.dash_syn.T), power(-net.dash_mem), net.threshold, net.bias)
    output = Neurons(
        power(-net.dash_syn_out)[None], power(-net.dash_mem_out), net.threshold_out, net.bias_out
    )
    drive_in = drive_of(events, weights_in)

    def receive(current, spikes, now):
        counts, drive = now
        recurrent = (spikes @ weights_rec.reshape(len(spikes), -1)).reshape(current.shape)
        sources = ((counts, weights_in, drive), (spikes, weights_rec, recurrent))
        return _receive(current, sources, ordered=ordered)

    def receive_out(current, _, now):
        counts, drive = now
        return _receive(current, ((counts, weights_out, drive),), ordered=ordered)

    largest, (current, potential, spikes) = evolve(
        hidden, (events, drive_in), receive, most=MAX_SPIKES, alias=network.alias
    )
    arriving = one_later(spikes), one_later(drive_of(spikes, weights_out))
    largest_out, (current_out, potential_out, fired) = evolve(output, arriving, receive_out, most=1)
    suspect = _may_saturate(largest, ((events, weights_in), (spikes, weights_rec)))
    suspect |= _may_saturate(largest_out, ((spikes, weights_out),))
    return Trace(
        current=jnp.swapaxes(current, 1, 2),
        potential=potential,
        spikes=spikes,
        current_out=current_out[:, 0],
        potential_out=potential_out,
        spikes_out=fired,
        suspect=suspect,
    )


def whole(trace: Trace) -> Trace:
    """Keep everything of a trace."""
    return trace


@partial(jax.jit, static_argnames=("keep", "ordered"))
def _run_batch(network, events, *, keep, ordered):
    def one(sample):
        trace = run(network, sample, ordered=ordered)
        return keep(trace), trace.suspect

    return jax.vmap(one)(events)


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


def simulate(
    network: ChipNetwork, events: np.ndarray, *, keep: Callable[[Trace], Any] = whole
) -> Any:
    """Run a batch from rest, exact in every case: events [B, T, I] -> `Trace`, each [B, ...].

    Samples whose currents came near saturation are computed again event by event. `keep(trace)`
    says what of one sample's trace is returned; a function at module level, for few compilations.

    Raises: InputError for events that the chip cannot take.
    """
    events = check_events(events, network.sizes[0])
    run_rows = partial(_run_batch, network, keep=keep)
    found, suspect = jax.tree.map(np.array, run_rows(events, ordered=False))
    again = np.flatnonzero(suspect)
    if len(again):
        # Filled up to a power of two, so that few programs are compiled.
        size = 1 << (len(again) - 1).bit_length()
        exact, _ = run_rows(events[np.resize(again, size)], ordered=True)
        for values, part in zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True):
            values[again] = np.asarray(part)[: len(again)]
    return found
