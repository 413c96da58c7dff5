"""Prove the two codes equal on a whole test set: `python -m benchmarks.identity --json`.

The codes are `relu` (activations) and `ttfs` (spike times). A supernet is trained, random
architectures of the space inherit its weights, and each is compared with its twin on every test
image, in float32 and in float64.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from search.spaces.convolutional import Space
from search.spaces.registry import make_space
from search.strategies.inherited.supernet import make_supernet, place
from ttfs_jax import datasets
from ttfs_jax.evaluation.identity import EqualityReport, compare
from ttfs_jax.network.conversion import calibrate, fold
from ttfs_jax.network.masked import Network, Variables, initialise
from ttfs_jax.support.command import run_command
from ttfs_jax.training.recipe import TrainConfig


@dataclass(frozen=True)
class IdentityArguments:
    """Compare random architectures with their ReLU twins on a test set."""

    data: str = "digits"
    """Data set."""
    data_dir: Path | None = None
    """Folder of the data files, where the data set needs one."""
    architectures: int = 20
    """Random architectures to compare."""
    epochs: int = 1
    """Training passes of the shared weights."""
    margin: float = 1.5
    """Window margin over the largest calibration activation."""
    seed: int = 0
    """Seed of weights and architectures."""
    json: bool = False
    """Print one JSON line."""


PATHS = 4  # architectures sampled for every step of the supernet


def train_shared(
    network: Network, space: Space, data: datasets.Dataset, epochs: int, seed: int
) -> Variables:
    """Train the shared weights that the architectures inherit.

    `network` is that of the `space`; it sees the training images of `data` for `epochs`; `seed` is
    that of weights, architectures and batches.
    """
    images, labels = jnp.asarray(data.train.images), jnp.asarray(data.train.labels)
    recipe = TrainConfig(epochs=epochs, batch_size=256)
    training = make_supernet(network, space, recipe, paths=PATHS, samples=len(images))
    state = training.init(initialise(network, jax.random.key(seed)))
    state, images, labels = place((state, images, labels), paths=PATHS)
    one_pass = jax.jit(training.epoch)
    for _ in range(epochs):
        state, _ = one_pass(state, images, labels, jnp.asarray(seed, jnp.uint32))
    return state.variables


def reports(
    network: Network,
    space: Space,
    variables: Variables,
    genotypes: np.ndarray,
    data: datasets.Dataset,
    *,
    margin: float,
    dtype: str,
) -> list[EqualityReport]:
    """Calibrate, fold and compare every genotype in one precision.

    `network` is that of the `space`, `variables` are the shared weights, `genotypes` [P, G] inherit
    them. Windows are `margin` times the largest activation on training images of `data`; codes are
    compared on its test images, computed in `dtype`, float32 or float64.
    """
    with jax.enable_x64(dtype == "float64"):
        variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), variables)
        calibration = jnp.asarray(data.train.images[:4096], dtype)
        test = jnp.asarray(data.test.images, dtype)

        @jax.jit
        def convert(variables, architecture, images):
            return fold(calibrate(network, variables, architecture, images, margin=margin))

        results = []
        for genotype in genotypes:
            architecture = space.decode(jnp.asarray(genotype))
            own = convert(variables, architecture, calibration)
            results.append(compare(network, own, architecture, test))
        return results


def compare_architectures(arguments: IdentityArguments) -> dict:
    """Compare by the `arguments`: JSON values, the largest of all architectures."""
    options: dict[str, Any] = {}
    if arguments.data_dir is not None:
        options["data_dir"] = arguments.data_dir
    data = datasets.load_dataset(arguments.data, **options)
    space = make_space("conv", data.image_shape, len(data.classes))
    network = Network(space.spec)
    variables = train_shared(network, space, data, arguments.epochs, arguments.seed)
    variables = jax.tree.map(np.asarray, variables)
    genotypes = np.asarray(
        space.sample(jax.random.key(arguments.seed + 1), arguments.architectures)
    )
    result: dict[str, object] = {
        "benchmark": "identity",
        "dataset": data.name,
        "test_images": len(data.test.labels),
        "architectures": arguments.architectures,
        "seed": arguments.seed,
    }
    for dtype in ("float32", "float64"):
        proofs = reports(
            network, space, variables, genotypes, data, margin=arguments.margin, dtype=dtype
        )
        result[dtype] = {
            "max_rel_logit_error": max(r.max_rel_logit_error for r in proofs),
            "max_abs_logit_error": max(r.max_abs_logit_error for r in proofs),
            "argmax_agreement": min(r.argmax_agreement for r in proofs),
            "argmax_agreement_unclipped": min(r.argmax_agreement_unclipped for r in proofs),
            "first_spike_agreement": min(r.first_spike_agreement for r in proofs),
            "clip_rate": max(r.clip_rate for r in proofs),
        }
    return result


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line; `arguments` replace those of the command line."""
    run_command("benchmarks.identity", IdentityArguments, compare_architectures, dict, arguments)


if __name__ == "__main__":
    main()
