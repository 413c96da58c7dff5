"""The chip's integer core as a pure function, equal to the vendor's simulator bit for bit.

One step of a hidden neuron: the spikes that arrive are added to the synaptic currents, inputs
first, then hidden neurons by id; currents decay; the potential changes by the currents, its decay
and the bias; n = min(31, ⌊V / θ⌋) spikes, V ← V − n θ. Every sum saturates at 16 bits. Inputs act
in the same step, spikes of hidden neurons one step later. States are integers held exactly by
float32, so that networks can be trained through the core.

Letters: T steps, I inputs, N hidden neurons, S synapses, O outputs.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from hardware.xylo.arithmetic import count_spikes, floor_at, integrate, leak, power, saturate
from hardware.xylo.network import STATE_MAX, ChipNetwork
from hardware.xylo.wiring import Wiring, full, products, wiring
from ttfs_jax.support import Array
from ttfs_jax.support.devices import AXIS, population_mesh
from ttfs_jax.support.errors import InputError

MAX_SPIKES = 31
MAX_EVENTS = 15  # input events per channel and step


class Trace(NamedTuple):
    """Everything that happened, step by step; … is [] or [B], as in `run_core`."""

    current: Array  # [T, N, S, …] after decay
    potential: Array  # [T, N, …] after the spikes
    spikes: Array  # [T, N, …] number of spikes, 0 … 31
    current_out: Array  # [T, O, …]
    potential_out: Array  # [T, O, …]
    spikes_out: Array  # [T, O, …] 0 or 1
    suspect: Array  # […] a partial sum may have saturated: the order of events matters


def _add_in_order(current, counts, weights):
    """Add what arrives one source after another, saturating each time: [S, N, …], [J, …]."""

    def add(total, source):
        count, weight = source
        return saturate(total + jnp.tensordot(weight, count, 0)), None

    return jax.lax.scan(add, current, (counts, jnp.moveaxis(weights, 2, 0)))[0]


def _hand_on(own, alias):
    """Let aliases spike too: own spikes [N, …], targets [N] -> own spikes kept, all spikes.

    Neurons are processed by ascending id. Own spikes and those inherited so far are at most 31 per
    neuron together; further own spikes are not fired.
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
    """Parameters; … is [] or, for several samples, [1]."""

    rate_syn: jax.Array  # [S, N, …] share of the current lost in a step
    rate_mem: jax.Array  # [N, …]
    threshold: jax.Array  # [N, …]
    bias: jax.Array  # [N, …]
    most: jax.Array  # [N, …] largest number of spikes in a step


class CoreState(NamedTuple):
    """Neurons between two steps."""

    current: jax.Array  # [S, N, …] after decay
    raised: jax.Array  # [N, …] potential + spikes · θ: the reset is in the next step, for speed
    spikes: jax.Array  # [N, …] of the last step


def at_rest(neurons: Neurons, samples: tuple[int, ...] = ()) -> CoreState:
    """Return the state of `neurons` before the first step, for `samples`, [] or [B]."""
    synapses, count = neurons.rate_syn.shape[:2]
    nothing = jnp.zeros((synapses, count, *samples))
    return CoreState(nothing, nothing[0], nothing[0])


def potential(neurons: Neurons, state: CoreState) -> jax.Array:
    """Return the membrane potential of `neurons` in `state`, after the spikes: [N, …]."""
    return state.raised - state.spikes * neurons.threshold


def advance(
    neurons: Neurons, state: CoreState, received: jax.Array, *, alias: jax.Array | None = None
) -> CoreState:
    """Take one step from `state`: received [S, N, …] is the current with what arrived.

    `neurons` are the parameters, `alias` [N] the neurons that inherit spikes, if any.
    """
    current = saturate(received)
    current = current - leak(current, neurons.rate_syn)
    before = potential(neurons, state)
    raised = integrate(before, current.sum(0), neurons.rate_mem, neurons.bias)
    spikes = count_spikes(raised, neurons.threshold, most=neurons.most)
    if alias is not None:
        own, spikes = _hand_on(spikes, alias)
        raised = raised + (spikes - own) * neurons.threshold
    return CoreState(current, raised, spikes)


def _lay_out(network):
    """Append outputs to the hidden neurons: neurons, weights [S, N + O, I + N], aliases [N + O].

    Outputs have as many synapses as hidden neurons; the second is unconnected.
    """
    channels, hidden, outputs, synapses = network.sizes

    def joined(name, more):
        return jnp.concatenate([getattr(network, name), more])

    dash_out = jnp.broadcast_to(network.dash_syn_out[:, None], (outputs, synapses))
    neurons = Neurons(
        rate_syn=power(-joined("dash_syn", dash_out).T),
        rate_mem=power(-joined("dash_mem", network.dash_mem_out)),
        threshold=joined("threshold", network.threshold_out),
        bias=joined("bias", network.bias_out),
        most=jnp.concatenate([jnp.full(hidden, float(MAX_SPIKES)), jnp.ones(outputs)]),
    )
    weights_in, weights_rec, weights_out = (
        getattr(network, f"weights_{part}") * power(getattr(network, f"shift_{part}"))
        for part in ("in", "rec", "out")
    )
    weights = jnp.zeros((synapses, hidden + outputs, channels + hidden))
    weights = weights.at[:, :hidden, :channels].set(weights_in.T)
    weights = weights.at[:, :hidden, channels:].set(weights_rec.T)
    weights = weights.at[0, hidden:, channels:].set(weights_out.T)
    alias = network.alias
    if alias is not None:
        alias = jnp.pad(alias, (0, outputs), constant_values=-1.0).astype(jnp.int32)
    return neurons, weights, alias


def run_core(
    network: ChipNetwork,
    events: Array,
    *,
    plan: Wiring | None = None,
    ordered: bool = False,
) -> Trace:
    """Run the core from rest.

    Shapes: events [T, I] or [T, I, B] (0 … 15 per channel and step) -> `Trace`. Neurons without a
    spike count 0. Pure: one sample can be mapped over, like the network; samples as the last axis
    are faster, as operations run along that. `plan` is the network's `wiring`, which saves the
    products of groups that are not connected; without it, any neurons may be.

    Where `suspect` is set, currents may have come near the 16-bit limit and only `ordered=True`,
    which adds event by event as the chip does and is many times slower, is exact; `simulate` takes
    care of that.

    Source: arithmetic and order of operations probed from xylosim 0.1.3, which reproduces a board
    trace of Xylo-Audio 3 in Rockpool's history.
    """
    channels, hidden, *_ = network.sizes
    samples = events.shape[2:]
    net = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), network)
    events = jnp.clip(events.astype(jnp.float32), 0, MAX_EVENTS)
    neurons, weights, alias = _lay_out(net)
    ones = [1] * len(samples)
    neurons = jax.tree.map(lambda leaf: leaf.reshape(*leaf.shape, *ones), neurons)
    drive = products(weights, plan or full(channels, hidden))

    def step(carry, counts):
        state, largest, most = carry
        if ordered:
            sources = jnp.concatenate([counts, state.spikes[:hidden]])
            received = _add_in_order(state.current, sources, weights)
        else:
            received = state.current + drive(counts, state.spikes)
        state = advance(neurons, state, received, alias=alias)
        largest = floor_at(jnp.abs(state.current), largest)
        most = floor_at(state.spikes[:hidden], most)
        recorded = (state.current, potential(neurons, state)[None], state.spikes[None])
        # Selected here, so that unused values are not written.
        parts = [(leaf[:, :hidden], leaf[:, hidden:]) for leaf in recorded]
        return (state, largest, most), parts

    rest = at_rest(neurons, samples)
    begin = (rest, rest.current, rest.spikes[:hidden])
    (_, largest, most), recorded = jax.lax.scan(step, begin, events)
    # Bounds every partial sum, |I| + Σ_j |w_j| n_j, by the largest of each term in the run.
    arriving = jnp.concatenate([events.max(0), most])
    reach = largest + jnp.tensordot(jnp.abs(weights), arriving, 1)
    return _to_trace(recorded, reach.max((0, 1)) > STATE_MAX)


def _to_trace(recorded, suspect):
    (current, current_out), (potentials, potentials_out), (spikes, spikes_out) = recorded
    return Trace(
        current=jnp.swapaxes(current, 1, 2),
        potential=potentials[:, 0],
        spikes=spikes[:, 0],
        current_out=current_out[:, 0],
        potential_out=potentials_out[:, 0],
        spikes_out=spikes_out[:, 0],
        suspect=suspect,
    )


def whole_trace(trace: Trace) -> Trace:
    """Keep everything of a trace."""
    return trace


@partial(jax.jit, static_argnames=("mesh", "plan", "keep", "ordered"))
def _run_rows(network, events, *, mesh, plan, keep, ordered):
    def rows(network, events):
        trace = run_core(network, jnp.moveaxis(events, 0, 2), plan=plan, ordered=ordered)
        return jax.vmap(keep, -1)(trace), trace.suspect

    everywhere, shared = PartitionSpec(), PartitionSpec(AXIS)
    # Unchecked: the states at rest are the same on all devices, those that follow are not.
    return jax.shard_map(
        rows, mesh=mesh, in_specs=(everywhere, shared), out_specs=shared, check_vma=False
    )(network, events)


def run_batch(
    network: ChipNetwork,
    events: Array,
    *,
    keep: Callable[[Trace], Any] = whole_trace,
    plan: Wiring | None = None,
    ordered: bool = False,
) -> tuple[Any, jax.Array]:
    """Run samples on all local devices: events [B, T, I] -> `keep` of each trace, `suspect` [B].

    B must be a multiple of the devices; `network`, `plan`, `keep` and `ordered` are those of
    `simulate` and `run_core`.
    """
    mesh = population_mesh()
    return _run_rows(network, events, mesh=mesh, plan=plan, keep=keep, ordered=ordered)


def check_events(events: np.ndarray, channels: int) -> np.ndarray:
    """Check input events [B, T, I = `channels`]. Raises: InputError for other shapes and values."""
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
    network: ChipNetwork, events: np.ndarray, *, keep: Callable[[Trace], Any] = whole_trace
) -> Any:
    """Run `network` on a batch from rest, exact in every case: events [B, T, I] -> `Trace`.

    Samples whose currents came near saturation are computed again event by event. `keep(trace)`
    says what of one sample's trace is returned; a function at module level, for few compilations.

    Raises: InputError for events that the chip cannot take.
    """
    events = check_events(events, network.sizes[0])
    plan = wiring(network)
    outcome, suspect = _run_filled(network, events, keep=keep, plan=plan, ordered=False)
    again = np.flatnonzero(suspect)
    if len(again):
        # Padded to a power of two, so that few programs are compiled.
        rows = np.resize(again, 1 << (len(again) - 1).bit_length())
        exact, _ = _run_filled(network, events[rows], keep=keep, plan=plan, ordered=True)
        for values, part in zip(jax.tree.leaves(outcome), jax.tree.leaves(exact), strict=True):
            values[again] = part[: len(again)]
    return outcome


def _run_filled(network, events, **options):
    """Run any number of samples, padded with silence to a multiple of the devices."""
    count = len(events)
    idle = np.zeros((-count % jax.local_device_count(), *events.shape[1:]), events.dtype)
    outcome = run_batch(network, np.concatenate([events, idle]), **options)
    return jax.tree.map(lambda leaf: np.array(leaf[:count]), outcome)
