"""Regression by hand, and an autoencoder and a denoiser of digits, exact in spike times."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax.datasets import digits
from ttfs_jax.evaluation.identity import compare
from ttfs_jax.evaluation.measure import evaluate
from ttfs_jax.network.architecture import largest
from ttfs_jax.network.conversion import calibrate, fold
from ttfs_jax.network.kinds import convolution, dense, pixel_shuffle, readout, upsample
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.network.plan import Plan
from ttfs_jax.support.errors import InputError
from ttfs_jax.tasks import TASKS
from ttfs_jax.training.recipe import TrainConfig, make_train

REGRESSION = TASKS["regression"]
IMAGE = (8, 8, 1)
AUTOENCODER = Plan(
    IMAGE,
    (
        convolution("encoder", 8, stride=2),
        dense("code", 24),
        dense("wide", 64),
        pixel_shuffle("small", factor=4),
        upsample("large", factor=2),
        convolution("last", 8),
        readout("pixels", 1, kernel=3),
    ),
)
DENOISER = Plan(
    IMAGE,
    (
        convolution("first", 12),
        convolution("second", 12),
        convolution("third", 12, add="first"),
        readout("pixels", 1, kernel=3),
    ),
)


def test_by_hand():
    wanted = jnp.array([[[[0.0], [1.0]]], [[[0.5], [0.5]]]])
    outputs = jnp.array([[[[0.2], [1.0]]], [[[0.5], [0.5]]]])
    np.testing.assert_allclose(REGRESSION.loss(outputs, wanted, weights=None, recipe=None), 0.01)
    kept, sums = REGRESSION.tally(outputs, wanted, {})
    nothing = dict.fromkeys(("spikes_per_neuron", "clip_rate", "spikes", "passed"))
    measured = REGRESSION.measure(kept, sums, SimpleNamespace(**nothing))
    np.testing.assert_allclose(measured.mse, 0.01, rtol=1e-6)
    np.testing.assert_allclose(measured.psnr, (10 * np.log10(50) + 120) / 2, rtol=1e-6)


def test_targets_are_moved_with_their_images():
    images = jax.random.uniform(jax.random.key(0), (20, *IMAGE))
    key = jax.random.key(1)
    moved, wanted = REGRESSION.augment(images, 2 * images, key, shift=2, flip=True)
    np.testing.assert_array_equal(wanted, 2 * moved)
    assert (moved != images).any()


def test_options_about_classes_are_refused():
    with pytest.raises(InputError, match="balanced is about classes"):
        make_train(Network(DENOISER), TrainConfig(balanced=True), samples=200, task="regression")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plan", "noise", "better"), [(AUTOENCODER, 0.0, 6.0), (DENOISER, 0.2, 2.0)]
)
def test_digits_are_rebuilt_exactly_in_spike_times(plan, noise, better):
    data = digits.load_digits()
    clean = jnp.asarray(data.train.images)
    spread = noise * jax.random.normal(jax.random.key(5), clean.shape)
    noisy = jnp.clip(clean + spread, 0.0, 1.0)
    network, architecture = Network(plan), largest(plan)
    config = TrainConfig(epochs=20, batch_size=64, learning_rate=1e-2)
    recipe = make_train(network, config, samples=len(clean), task="regression")
    state = recipe.init(initialise(network, jax.random.key(0)))
    epoch = jax.jit(recipe.epoch)
    for _ in range(config.epochs):
        state, _ = epoch(state, architecture, noisy, clean, jnp.uint32(0))
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), state.variables)
        exact = jax.jit(lambda v: fold(calibrate(network, v, architecture, noisy.astype(float))))(
            wide
        )
        test, wanted = noisy[:300].astype(float), clean[:300].astype(float)
        report = compare(network, exact, architecture, test)
        assert report.max_rel_logit_error_unclipped < 1e-10
        by_spikes, twin = (
            evaluate(network, exact, architecture, test, wanted, code=code, task="regression")
            for code in ("ttfs", "relu")
        )
        np.testing.assert_allclose(by_spikes.psnr, twin.psnr, rtol=1e-9)
        # Beside what needs no network: black images, or the noisy ones as they are.
        plain = REGRESSION.tally(noisy[:300] if noise else 0 * clean[:300], clean[:300], {})[1]
        assert float(by_spikes.psnr) > float(plain[1] / plain[2]) + better


def test_numbers_are_targets_too():
    network = Network(Plan(IMAGE, (dense("hidden", 8), readout("numbers", 2))))
    images = jnp.linspace(0, 1, 4 * 64).reshape(4, *IMAGE)
    targets = jnp.stack([images.mean((1, 2, 3)), images.max((1, 2, 3))], -1)
    train = make_train(network, TrainConfig(epochs=1, batch_size=4), samples=4, task="regression")
    state = train.init(initialise(network, jax.random.key(0)))
    architecture = largest(network.plan)
    assert jnp.isfinite(train.epoch(state, architecture, images, targets, 0)[1])
    for wrong in (targets[:, 0], targets[:, :1], images):
        with pytest.raises(InputError, match=r"targets must be \[N, 2\]"):
            train.epoch(state, architecture, images, wrong, 0)
        with pytest.raises(InputError, match=r"targets must be \[N, 2\]"):
            evaluate(network, state.variables, architecture, images, wrong, task="regression")


def test_target_images_may_be_larger_unless_they_are_moved():
    images, targets, key = jnp.ones((2, 4, 4, 1)), jnp.ones((2, 8, 8, 1)), jax.random.key(0)
    same = REGRESSION.augment(images, targets, key, shift=0, flip=False)
    np.testing.assert_array_equal(same[1], targets)
    with pytest.raises(InputError, match="height and width of the images"):
        REGRESSION.augment(images, targets, key, shift=1, flip=False)
