"""What measuring, training and predicting refuse: no images, labels of no class, one channel."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax.evaluation.identity import compare
from ttfs_jax.evaluation.measure import evaluate
from ttfs_jax.model import Model
from ttfs_jax.network.architecture import largest
from ttfs_jax.network.conversion import calibrate, fold
from ttfs_jax.network.kinds import dense, readout
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.network.plan import Plan
from ttfs_jax.support.errors import InputError
from ttfs_jax.tasks import TASKS
from ttfs_jax.training.recipe import TrainConfig, make_train

PLAN = Plan((4, 4, 1), (dense("head", 8), readout("class", 3)))
ALL = largest(PLAN)
IMAGES = np.random.default_rng(0).random((12, 4, 4, 1)).astype(np.float32)
LABELS = jnp.arange(12) % 3


def converted(plan):
    """Make random weights, calibrated on the images, so that no neuron is clipped."""
    network, architecture = Network(plan), largest(plan)
    variables = initialise(network, jax.random.key(0))
    return network, fold(calibrate(network, variables, architecture, IMAGES, margin=2.0))


def test_no_images_are_named():
    network, variables = converted(PLAN)
    with pytest.raises(InputError, match="there are no images to measure: give one or more"):
        evaluate(network, variables, ALL, IMAGES[:0], LABELS[:0])
    with pytest.raises(InputError, match="there are no images to measure"):
        compare(network, variables, ALL, IMAGES[:0])


@pytest.mark.parametrize(("sample", "label"), [(5, 3), (2, -1)])
def test_labels_of_no_class_are_named(sample, label):
    network, variables = converted(PLAN)
    wrong = LABELS.at[sample].set(label)
    words = f"label {label} of sample {sample} is none of the 3 classes: .* from 0 to 2"
    with pytest.raises(InputError, match=words):
        evaluate(network, variables, ALL, IMAGES, wrong)
    recipe = make_train(network, TrainConfig(batch_size=4), samples=12)
    with pytest.raises(InputError, match=words):
        recipe.epoch(recipe.init(variables), ALL, IMAGES, wrong, jnp.uint32(0))
    jax.eval_shape(TASKS["classification"].check_targets, wrong, outputs=3)  # traced: not known


def test_labels_of_pixels_are_checked_too():
    maps = np.zeros((2, 4, 4), int)
    maps[1, 2, 3] = 7
    with pytest.raises(InputError, match="label 7 of sample 1 is none of the 3 classes"):
        TASKS["classification"].check_targets(maps, outputs=3)


@pytest.mark.parametrize("way", ["potential", "first-spike"])
def test_one_channel_names_no_class(way):
    plan = Plan((4, 4, 1), (dense("head", 8), readout("pixels", 1)))
    model = Model(plan, largest(plan), converted(plan)[1])
    with pytest.raises(InputError, match="read-out pixels has one channel, .* call the model"):
        model.predict(IMAGES, readout=way)
    assert np.ptp(model(IMAGES)) > 0


def test_layers_in_rate_code_are_not_blamed_on_windows():
    layers = tuple(replace(one, code="rate") if one.name == "head" else one for one in PLAN)
    network, variables = converted(Plan(PLAN.image_shape, layers))
    report = compare(network, variables, ALL, IMAGES)
    assert report.clip_rate == 0 and report.failures
    for reason in report.failures:
        assert "such as rate" in reason and "windows" not in reason
