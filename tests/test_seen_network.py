"""SEEN: the published numbers of parameters and multiply-adds, its neurons, its gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.peers.seen_network import Seen, SeenLayer, multiply_adds, plane_sizes, spike
from benchmarks.peers.seen_recipe import SeenData, look_up_clips, make_recipe, train_seen
from ttfs_jax.datasets.eye.dataset import EyeConfig
from ttfs_jax.support.errors import InputError

MODEL = Seen()
SIZE, FRAMES = 12, 4


def test_published_size():
    pair, events = jnp.zeros((1, 90, 90, 6)), jnp.zeros((4, 1, 90, 90, 3))
    variables = jax.eval_shape(MODEL.init, jax.random.key(0), pair, events)
    params = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert params == 6_078_655
    assert plane_sizes(90) == (45, 23, 6)
    for frames, billions in ((4, 0.907), (7, 1.45), (13, 2.55)):
        assert sum(multiply_adds(90, frames).values()) / 1e9 == pytest.approx(billions, abs=0.01)
    assert round(sum(multiply_adds(90, 4).values()) / 1e9, 3) == 0.907


def test_neuron_by_hand():
    state = SeenLayer(jnp.zeros(2), jnp.zeros(2)).step(jnp.array([0.25, 0.5]))
    np.testing.assert_allclose(state.spikes, [0, 1])
    state = state.step(jnp.array([0.26, 0.26]))
    np.testing.assert_allclose(state.potential, [0.31, 0.26], rtol=1e-6)
    np.testing.assert_allclose(state.spikes, [1, 0])
    gradient = jax.grad(lambda v: spike(v).sum())(jnp.array([-0.3, -0.1, 0.3, 0.7, 0.9]))
    np.testing.assert_allclose(gradient, [0, 1, 1, 1, 0])


def inputs(seed=0, batch=3):
    keys = jax.random.split(jax.random.key(seed))
    pair = jax.random.normal(keys[0], (batch, SIZE, SIZE, 6))
    return pair, jax.random.normal(keys[1], (FRAMES, batch, SIZE, SIZE, 3))


@pytest.fixture(scope="module")
def variables():
    return jax.jit(MODEL.init)(jax.random.key(0), *inputs())


@pytest.mark.slow
def test_both_branches_count_and_only_one_teaches(variables):
    pair, events = inputs()
    apply = jax.jit(MODEL.apply)
    logits, cost = apply(variables, pair, events)
    assert logits.shape == (3, 7)
    assert cost.synops > 0
    assert (apply(variables, pair, 30 * events)[0] != logits).any()
    assert (apply(variables, 30 * pair, events)[0] != logits).any()

    def loss(params, pair):
        return (MODEL.apply(variables | {"params": params}, pair, events)[0] ** 2).sum()

    # The spiking branch only borrows the kernels: without intensity frames nothing is learnt.
    gradient = jax.jit(jax.grad(loss))
    taught = gradient(variables["params"], pair)
    silent = gradient(variables["params"], jnp.zeros_like(pair))
    assert np.abs(taught["Convolution_0"]["kernel"]).max() > 0
    assert np.abs(silent["Convolution_0"]["kernel"]).max() == 0
    assert np.abs(silent["Dense_0"]["bias"]).max() > 0


def some_source(sequences=64, length=20):
    generator = np.random.default_rng(0)
    labels = np.arange(sequences) % 7
    count = sequences * length
    events = generator.choice([0, 128, 255], (count, SIZE, SIZE)).astype(np.uint8)
    light = np.repeat(30 * labels, length)[:, None, None] + generator.integers(
        0, 20, (count, SIZE, SIZE)
    )
    return SeenData(
        events=jnp.asarray(events),
        light=jnp.asarray(light.astype(np.uint8)),
        starts=jnp.arange(sequences) * length,
        lengths=jnp.full(sequences, length),
        labels=jnp.asarray(labels),
        scale=jnp.array([[0.5, 0.4], [0.4, 0.25]]),
    )


def test_inputs_are_the_clip_and_its_outer_intensity_frames():
    source = some_source()
    pair, events = look_up_clips(source, jnp.array([[3, 7, 11, 15]]))
    assert pair.shape == (1, SIZE, SIZE, 6)
    assert events.shape == (4, 1, SIZE, SIZE, 3)
    expected = (np.asarray(source.light[15], float) / 255 - 0.4) / 0.25
    np.testing.assert_allclose(pair[0, ..., 4], expected, rtol=1e-4, atol=1e-5)
    expected = (np.asarray(source.events[7], float) / 255 - 0.5) / 0.4
    np.testing.assert_allclose(events[1, 0, ..., 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.optimised
def test_recipe_learns_and_goes_on_where_it_stopped(tmp_path):
    source, config = some_source(), EyeConfig(size=SIZE, pool=2, stride=1)
    options = {"classes": 7, "seed": 1}
    _, whole = train_seen(tmp_path / "a", source, config, epochs=3, **options)
    train_seen(tmp_path / "b", source, config, epochs=1, **options)
    _, resumed = train_seen(tmp_path / "b", source, config, epochs=3, **options)
    jax.tree.map(np.testing.assert_array_equal, whole, resumed)
    with pytest.raises(InputError, match="other data"):
        train_seen(tmp_path / "b", source, config, epochs=3, classes=7, seed=2)
    few = source._replace(labels=source.labels[:8])
    with pytest.raises(InputError, match="do not fill a batch"):
        train_seen(tmp_path / "c", few, config, epochs=1, **options)
    init, epoch = make_recipe(MODEL, sequences=64, config=config)
    state = init(jax.random.key(0), source)
    losses = []
    for _ in range(45):  # the loss stays on a plateau for the first 20
        state, value = epoch(state, source, jax.random.key(0))
        losses.append(float(value))
    assert losses[-1] < 0.7 * losses[0]
