"""How fast the eye simulator is, and how hard its task: `python -m benchmarks.eye_data`.

All scores are on simulated eye data and say nothing about real people.
"""

import os
import time
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.peers.numpy_camera import NumpyCamera
from search.spaces.registry import make_space
from ttfs_jax import datasets
from ttfs_jax.datasets import Dataset, EyeConfig
from ttfs_jax.datasets.events import camera as event_camera
from ttfs_jax.datasets.events.camera import CameraConfig
from ttfs_jax.datasets.eye import simulator
from ttfs_jax.datasets.eye.plan import plan_takes
from ttfs_jax.datasets.eye.simulated import record
from ttfs_jax.evaluation import protocol
from ttfs_jax.evaluation.measure import evaluate
from ttfs_jax.network import conversion
from ttfs_jax.network.architecture import largest
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.support.command import run_command
from ttfs_jax.training.recipe import TrainConfig, make_train

CAMERA = CameraConfig()
STRENGTHS = (1e-4, 1e-3, 1e-2)  # of the logistic regression, chosen on validation people


@dataclass(frozen=True)
class EyeDataArguments:
    """Measure speed and calibration of the simulated eye data, subject-disjoint."""

    seeds: int = 3
    """Seeds; each has its own people in test."""
    epochs: int = 25
    """Epochs of the small CNNs."""
    size: int = 90
    """Edge of the frames for the measurements of speed."""
    json: bool = False
    """Print one JSON line."""


@partial(jax.jit, static_argnames="duration")
def watch(images: jax.Array, key: jax.Array, pixels, duration: float) -> jax.Array:
    """Let the JAX camera watch images [T, H, W] in turn: ON minus OFF events of the last [H, W].

    `key` starts the noise, `pixels` are those of the sensor (`camera.make_pixels`), and an image is
    shown for `duration` in s.
    """

    def step(state, image):
        state, events = event_camera.step(state, image, duration, pixels, CAMERA)
        return state, event_camera.balance(events)

    _, balances = jax.lax.scan(step, event_camera.start_sensor(key, images[0], CAMERA), images[1:])
    return balances


def seconds(function, repeats: int) -> float:
    """Return the median wall time of a call in s.

    `function` is called once before, which is not counted, and `repeats` times.
    """
    function()
    durations = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        durations.append(time.perf_counter() - started)
    return float(np.median(durations))


def speed(size: int, *, steps: int = 300, repeats: int = 5) -> dict[str, float]:
    """Time the whole simulator on one take, and both cameras on the same moving picture.

    Frames have an edge of `size` pixels, the picture moves for `steps` images, and each time is the
    median of `repeats`.
    """
    plan = [take for take in plan_takes(seed=0) if 40 <= take.length <= 48]
    duration_of_take = seconds(lambda: record(plan[0], 0, seed=0, size=size), repeats)
    x = np.arange(size, dtype=np.float32) / size
    shift = np.arange(steps + 1, dtype=np.float32)[:, None, None] / steps
    waves = np.sin(20 * (x[None, :, None] + shift)) * np.sin(16 * (x[None, None] - shift))
    images = 0.5 + 0.45 * waves.astype(np.float32)
    duration = 1.0 / (simulator.FRAMES_PER_SECOND * 10)
    key = jax.random.key(0)
    pixels = event_camera.make_pixels(key, (size, size), CAMERA)
    on_device = jnp.asarray(images)
    ours = seconds(lambda: watch(on_device, key, pixels, duration).block_until_ready(), repeats)

    def plain():
        camera = NumpyCamera(images[0], 0, CAMERA)
        return np.stack([camera.step(image, duration) for image in images[1:]])

    theirs = seconds(plain, repeats)
    same = np.abs(plain()).sum() / np.abs(np.asarray(watch(on_device, key, pixels, duration))).sum()
    return {
        "frames_per_second": plan[0].length / duration_of_take,
        "camera_steps_per_second": steps / ours,
        "numpy_camera_steps_per_second": steps / theirs,
        "speedup_vs_numpy": theirs / ours,
        "numpy_events_over_ours": float(same),
    }


def logistic_regression(data: Dataset) -> np.ndarray:
    """Predict the test clips of `data` from the mean event frame: -> classes [N]."""

    def flat(split):
        height, width, channels = split.images.shape[1:]
        frames = split.images.reshape(-1, height, width, channels // 2, 2)
        return frames.mean(3).reshape(len(frames), -1)

    best, best_model = -1.0, None
    for strength in STRENGTHS:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300))
        model.fit(flat(data.train), data.train.labels)
        accuracy = model.score(flat(data.validation), data.validation.labels)
        if accuracy > best:
            best, best_model = accuracy, model
    assert best_model is not None
    return best_model.predict(flat(data.test))


def small_cnn(data: Dataset, *, epochs: int, seed: int) -> np.ndarray:
    """Train the largest network of the narrow space as a ReLU network: -> classes of test [N].

    It sees the training clips of `data` for `epochs`; `seed` is that of weights and batches.
    """
    space = make_space("conv-small", data.image_shape, len(data.classes))
    network, architecture = Network(space.spec), largest(space.spec)
    config = TrainConfig(epochs=epochs, batch_size=64)
    images, labels = jnp.asarray(data.train.images), jnp.asarray(data.train.labels)
    recipe = make_train(network, config, samples=len(images), shift=data.augmentation.shift)
    state = recipe.init(initialise(network, jax.random.key(seed)))
    epoch = jax.jit(recipe.epoch)
    for _ in range(epochs):
        state, _ = epoch(state, architecture, images, labels, jnp.uint32(seed))
    variables = conversion.calibrate(network, state.variables, architecture, images, margin=1.5)

    @jax.jit
    def predict(variables, images, labels):
        return evaluate(network, variables, architecture, images, labels, code="relu").predictions

    return np.asarray(predict(variables, jnp.asarray(data.test.images), data.test.labels))


def shuffle_labels(data: Dataset, seed: int) -> Dataset:
    """Return the data with the labels of the training clips in random order, by `seed`."""
    labels = np.random.default_rng(seed).permutation(data.train.labels)
    return replace(data, train=replace(data.train, labels=labels))


def calibration(seed: int, epochs: int) -> dict[str, float]:
    """Score all four methods on one subject-disjoint split: WAR and UAR each.

    `seed` chooses the people of each part and seeds the networks, which train for `epochs`.
    """
    config = EyeConfig(fold=seed % 5)
    four = datasets.load_dataset("eye", eye=config, split_seed=seed)
    one = datasets.load_dataset("eye", eye=replace(config, frames=1), split_seed=seed)
    predicted = {
        "logreg": (four, logistic_regression(four)),
        "one_frame": (one, small_cnn(one, epochs=epochs, seed=seed)),
        "four_frame": (four, small_cnn(four, epochs=epochs, seed=seed)),
        "shuffled": (four, small_cnn(shuffle_labels(four, seed), epochs=epochs, seed=seed)),
    }
    scores = {}
    for name, (data, predictions) in predicted.items():
        recalls = protocol.score_draws(
            predictions, data.test.labels, data.classes, data.test.columns
        )
        scores |= {f"{name}_{key}": recalls[key] for key in ("war", "uar")}
    return scores


def measure_eye_data(arguments: EyeDataArguments) -> dict:
    """Measure by the `arguments`: JSON values, means over seeds at the top level."""
    result = {"benchmark": "eye_data", "dataset": "simulated eye data", "cpus": os.cpu_count()}
    result |= speed(arguments.size)
    rows = [calibration(seed, arguments.epochs) for seed in range(arguments.seeds)]
    result |= {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return result | {"seeds": rows, "epochs": arguments.epochs}


def eye_data_table(result: dict) -> Table:
    """Lay out the result."""
    table = Table("figure", "mean", "seeds", title="simulated eye data")
    for name, value in result.items():
        if isinstance(value, float):
            each = ", ".join(f"{row[name]:.3f}" for row in result["seeds"] if name in row)
            table.add_row(name, f"{value:,.3f}", each)
    return table


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line; `arguments` replace those of the command line."""
    run_command(
        "benchmarks.eye_data", EyeDataArguments, measure_eye_data, eye_data_table, arguments
    )


if __name__ == "__main__":
    main()
