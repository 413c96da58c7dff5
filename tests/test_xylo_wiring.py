"""Groups of neurons found in weights, and runs that use them: equal to runs that do not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import xylo
from hardware.xylo.core import run_batch, run_core, simulate
from hardware.xylo.wiring import MOST_GROUPS, Wiring, full, products, wiring


def stack(sizes, *, synapses=1, skips=(), seed=0):
    """Draw layers I, N1, N2 …, O that feed the next one and themselves; `skips` are more pairs."""
    rng = np.random.default_rng(seed)
    channels, *layers, outputs = sizes
    net = xylo.draw_network(rng, sizes=(channels, sum(layers), outputs, synapses), density=1.0)
    layer = np.repeat(np.arange(len(layers)) + 1, layers)
    feeds = {(n, n + 1) for n in range(len(layers) + 1)} | set(skips)
    allowed = np.array([[(of, to) in feeds for to in range(9)] for of in range(9)])
    among = allowed[layer[:, None], layer] | np.eye(len(layer), dtype=bool)
    return net.replace(
        weights_in=net.weights_in * allowed[0, layer][None, :, None],
        weights_rec=net.weights_rec * among[..., None],
        weights_out=net.weights_out * allowed[layer, len(layers) + 1][:, None],
    )


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (stack((3, 5, 4, 2)), Wiring((3, 5, 4), ((0,), (1,), (2,)))),
        (stack((3, 5, 2)), Wiring((3, 5), ((0,), (1,)))),
        (stack((3, 5, 4, 2), skips=[(0, 2), (1, 3)]), Wiring((3, 5, 4), ((0,), (0, 1), (1, 2)))),
        (stack((3, 5, 2), skips=[(1, 1)]), full(3, 5)),
        # Backwards.
        (stack((3, 2, 1, 2), skips=[(2, 1)]), Wiring((3, 2, 1), ((0, 2), (1,), (2,)))),
        (stack((3, *[1] * (MOST_GROUPS + 1), 2)), full(3, MOST_GROUPS + 1)),
    ],
)
def test_groups_are_found(network, expected):
    assert wiring(network) == expected


def test_what_is_not_connected_is_not_multiplied():
    plan = wiring(stack((16, 60, 40, 10)))
    drive = products(jnp.ones((1, 110, 116)), plan)
    lines = jax.make_jaxpr(drive)(jnp.ones(16), jnp.ones(110)).eqns
    dots = [line.invars[0].aval.shape for line in lines if line.primitive.name == "dot_general"]
    assert dots == [(1, 60, 16), (1, 40, 60), (1, 10, 40)]


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2]), st.booleans())
def test_runs_are_equal_with_and_without_groups(seed, synapses, skip):
    network = stack((4, 6, 5, 3), synapses=synapses, skips=[(0, 2)] * skip, seed=seed)
    events = jnp.asarray(xylo.draw_events(np.random.default_rng(seed), 1, 20, 4)[0])
    assert len(wiring(network).sizes) == 3
    plain, grouped = run_core(network, events), run_core(network, events, plan=wiring(network))
    jax.tree.map(np.testing.assert_array_equal, plain, grouped)


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("case", ["plain", "aliases"])
def test_samples_as_the_last_axis_give_what_one_by_one_does(case, ordered):
    rng = np.random.default_rng(2)
    network = xylo.draw_network(rng, sizes=(16, 12, 4, 2), **xylo.CASES[case])
    events = jnp.asarray(xylo.draw_events(rng, 3, 10, 16))
    one_by_one = jax.vmap(lambda sample: run_core(network, sample, ordered=ordered), out_axes=-1)(
        events
    )
    together = run_core(network, jnp.moveaxis(events, 0, 2), ordered=ordered)
    assert one_by_one.spikes.max() > 1
    jax.tree.map(np.testing.assert_array_equal, one_by_one, together)


def test_batches_are_dealt_out_to_devices_and_may_have_any_size():
    assert jax.local_device_count() == 4
    network = stack((4, 6, 5, 3))
    events = xylo.draw_events(np.random.default_rng(0), 7, 20, 4)
    alone = [simulate(network, events[n : n + 1]) for n in range(7)]
    jax.tree.map(
        lambda one, *many: np.testing.assert_array_equal(one, np.concatenate(many)),
        simulate(network, events),
        *alone,
    )
    spikes, _ = run_batch(network, jnp.zeros((8, 5, 4)), keep=lambda trace: trace.spikes)
    assert len(spikes.sharding.device_set) == 4
