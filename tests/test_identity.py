"""Both codes of the whole network: logits, gradients, folding, masks, quantisation."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax.codes.encoding import first_spike_readout
from ttfs_jax.codes.window import quantise
from ttfs_jax.evaluation.identity import compare
from ttfs_jax.network.architecture import Architecture, NetworkSpec, largest
from ttfs_jax.network.conversion import calibrate, fold
from ttfs_jax.network.convolution import convolve
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.population.program import pick
from ttfs_jax.spike_time import NO_SPIKE
from ttfs_jax.training.recipe import TrainConfig, make_train

SPEC = NetworkSpec((8, 8, 1), 3, stage_widths=(4, 6), stage_blocks=(2, 1), head_width=8)
NETWORK = Network(SPEC)
OPERATORS = [(0, 1, 2), (3, 2, 0), (1, 3, 3), (0, 0, 0)]


def architecture(operators, bits=0):
    return Architecture(
        jnp.array(operators, jnp.int32), jnp.array([3, 6]), jnp.array(5), jnp.array(bits)
    )


def images(dtype="float32"):
    drawn = np.random.default_rng(0).uniform(-0.5, 1.0, (16, 8, 8, 1))
    return jnp.asarray(np.maximum(drawn, 0.0), dtype)


@functools.partial(jax.jit, static_argnames=("dtype", "folded", "network"))
def converted(chosen, dtype="float32", margin=1.5, folded=True, network=NETWORK):
    """Random weights, scales and biases; calibration replaces statistics and windows."""
    generator = np.random.default_rng(1)
    shapes = jax.eval_shape(lambda: initialise(network, jax.random.key(0)))
    variables = jax.tree.map(
        lambda leaf: jnp.asarray(generator.normal(0.3, 0.5, leaf.shape), dtype), shapes
    )
    variables = calibrate(network, variables, chosen, images(dtype), margin=margin)
    return fold(variables) if folded else variables


@pytest.mark.parametrize("operators", OPERATORS)
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-4), ("float64", 1e-10)])
def test_codes_agree(operators, dtype, bound):
    with jax.enable_x64(dtype == "float64"):
        chosen = architecture(operators)
        report = compare(NETWORK, converted(chosen, dtype), chosen, images(dtype), batch_size=6)
    assert report.max_rel_logit_error < bound
    assert report.argmax_agreement_unclipped == 1.0
    assert report.first_spike_agreement == 1.0
    assert report.clip_rate == 0.0


@pytest.mark.slow
def test_codes_agree_in_three_stages():
    spec = NetworkSpec((8, 8, 1), 3, stage_widths=(3, 4, 5), stage_blocks=(1, 2, 2), head_width=6)
    network, chosen = Network(spec), largest(spec)
    variables = initialise(network, jax.random.key(0))
    own = jax.jit(lambda v: fold(calibrate(network, v, chosen, images(), margin=1.5)))(variables)
    report = compare(network, own, chosen, images())
    assert report.max_rel_logit_error < 1e-4
    assert report.argmax_agreement_unclipped == report.first_spike_agreement == 1.0
    assert report.clip_rate == 0.0


def test_short_windows_clip():
    chosen = architecture(OPERATORS[0])
    report = compare(NETWORK, converted(chosen, margin=0.3), chosen, images())
    assert report.clip_rate > 0


def test_folding_keeps_the_logits():
    chosen = architecture(OPERATORS[1])
    logits = jax.jit(lambda variables: NETWORK.apply(variables, images(), chosen).logits)
    unfolded, folded = converted(chosen, folded=False), converted(chosen)
    assert jnp.abs(unfolded["params"]["stem"]["bias"] - folded["params"]["stem"]["bias"]).max() > 0
    np.testing.assert_allclose(logits(unfolded), logits(folded), atol=1e-5)


@pytest.mark.slow
def test_gradients_of_the_codes_agree_also_under_vmap():
    with jax.enable_x64(True):

        def with_operators(operators):
            return architecture(OPERATORS[1]).replace(operators=operators)

        def gradient(operators, variables, code):
            chosen = with_operators(operators)

            def loss(params):
                out = NETWORK.apply(
                    variables | {"params": params}, images("float64"), chosen, code=code
                )
                return (out.logits**2).sum()

            return jax.grad(loss)(variables["params"])

        every = jnp.array(OPERATORS, jnp.int32)
        own = jax.jit(jax.vmap(lambda o: converted(with_operators(o), "float64")))(every)
        relu = jax.jit(jax.vmap(lambda o, v: gradient(o, v, "relu")))(every, own)
        ttfs = jax.jit(jax.vmap(lambda o, v: gradient(o, v, "ttfs")))(every, own)
        one = jax.jit(lambda o, v: gradient(o, v, "ttfs"))(every[1], pick(own, 1))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-8), relu, ttfs)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b, atol=1e-8), ttfs, one)
        assert all(jnp.abs(leaf).sum() > 0 for leaf in jax.tree.leaves(ttfs))


def test_quantised_times_lie_on_the_grid():
    times = jnp.array([0.0, 0.3, 0.95, NO_SPIKE])
    rounded = quantise(times, jnp.array(1.0), jnp.array(2))
    np.testing.assert_array_equal(rounded, [0.0, 0.25, NO_SPIKE, NO_SPIKE])
    np.testing.assert_array_equal(quantise(times, jnp.array(1.0), jnp.array(0)), times)


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 1), (5, 1), (5, 2)])
def test_convolution_and_its_gradient_equal_lax(size, stride):
    x, kernel = images()[:2], jax.random.normal(jax.random.key(0), (size, size, 1, 3))

    def reference(x, kernel):
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            [(size // 2, size // 2)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    for argument in (0, 1):
        ours = jax.grad(lambda *a: (convolve(*a, stride=stride) ** 2).sum(), argument)(x, kernel)
        theirs = jax.grad(lambda *a: (reference(*a) ** 2).sum(), argument)(x, kernel)
        np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-4)


def test_windows_that_are_too_short_fail_the_proof():
    chosen = architecture((1, 3, 3))
    sound = compare(NETWORK, converted(chosen), chosen, images())
    assert sound.failures == ()
    assert sound.unclipped == 1.0
    clipped = compare(NETWORK, converted(chosen, margin=0.05), chosen, images())
    assert clipped.unclipped == 0.0
    assert np.isnan(clipped.max_rel_logit_error_unclipped)
    short, nowhere = clipped.failures
    assert "windows are too short" in short
    assert "0.00% of the images" in nowhere
    wrong = sound._replace(max_rel_logit_error_unclipped=1e-3)
    assert ["logits differ by 1.0e-03" in reason for reason in wrong.failures] == [True]


@pytest.mark.slow
def test_the_readout_window_grows_with_the_others():
    recipe = TrainConfig(epochs=1, batch_size=8, learning_rate=1e-4)
    labels = jnp.arange(16) % 3
    network = Network(NetworkSpec((8, 8, 1), 3, stage_widths=(4,), stage_blocks=(1,), head_width=8))
    chosen = Architecture(jnp.array([3]), jnp.array([3]), jnp.array(5), jnp.array(0))
    variables = converted(chosen, network=network)
    short = {"window": jnp.asarray(1e-3), "shift": jnp.asarray(0.0)}
    variables["windows"] = variables["windows"] | {"output": short}

    def tuned(config):
        train = make_train(network, config, samples=16, code="ttfs")
        state, _ = jax.jit(train.epoch)(
            train.init(variables), chosen, images(), labels, jnp.uint32(0)
        )
        return state.variables

    own = tuned(recipe)
    out = jax.jit(lambda v: network.apply(v, images(), chosen, code="ttfs"))(own)
    times = first_spike_readout(out.logits, **own["windows"]["output"])
    np.testing.assert_array_equal(times.argmin(-1), out.logits.argmax(-1))
    assert (times.min(-1) > 0.0).all()
    kept = tuned(dataclasses.replace(recipe, grow_windows=False))["windows"]["output"]
    assert kept == short
