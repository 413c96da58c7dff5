"""A trained network on disk and in use: `net = ttfs_jax.load("runs/x/best/0")`."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from ttfs_jax import checkpoint
from ttfs_jax.architecture import Architecture, NetworkSpec, largest
from ttfs_jax.encoding import first_spike_readout
from ttfs_jax.errors import InputError
from ttfs_jax.layers import Signal
from ttfs_jax.network import Code, Network, Variables, initialise
from ttfs_jax.timeline import Timeline, make_timeline


@partial(jax.jit, static_argnames=("network", "code", "record"))
def _run(network, variables, architecture, images, code, record):
    return network.apply(variables, images, architecture, code=code, record=record)


@dataclasses.dataclass(frozen=True)
class Model:
    """A network with its variables: a function from images to logits."""

    spec: NetworkSpec
    architecture: Architecture
    variables: Variables
    meta: dict

    @property
    def network(self) -> Network:
        """Give the flax module."""
        return Network(self.spec)

    def __call__(self, images: np.ndarray | jax.Array, *, code: Code = "ttfs") -> jax.Array:
        """Return output potentials: images [B, H, W, C] in [0, 1] -> logits [B, K].

        Time is quantised as the architecture says. Raises: InputError for other images.
        """
        return self._apply(images, code, record=False).logits

    def signals(self, images: np.ndarray | jax.Array) -> dict[str, Signal]:
        """Return the spike times of every layer and their windows; `NO_SPIKE` where silent.

        Layers come in the order of their windows, see `timeline`; skipped blocks are left out.
        """
        recorded = self._apply(images, "ttfs", record=True).signals
        return {name: recorded[name] for name in self.timeline.slots}

    @property
    def timeline(self) -> Timeline:
        """Lay out the windows of all layers in time."""
        return make_timeline(self.spec, self.architecture, self.variables["windows"])

    def predict(
        self,
        images: np.ndarray | jax.Array,
        *,
        readout: Literal["potential", "first-spike"] = "potential",
    ) -> jax.Array:
        """Return class indices: [B, H, W, C] -> [B], by largest potential or first output spike.

        Raises: InputError for other images, ValueError for an unknown read-out.
        """
        if readout not in ("potential", "first-spike"):
            raise ValueError(f"readout must be 'potential' or 'first-spike', not {readout!r}")
        logits = self(images)
        if readout == "potential":
            return logits.argmax(-1)
        return first_spike_readout(logits, **self.variables["windows"]["output"]).argmin(-1)

    def _apply(self, images, code, record):
        images = np.asarray(images, np.float32)
        if images.shape[1:] != self.spec.image_shape:
            raise InputError(f"images must be [B, *{self.spec.image_shape}], not {images.shape}")
        if not (np.isfinite(images).all() and (images >= 0).all() and (images <= 1).all()):
            raise InputError("pixels must be finite and within [0, 1]: clean and scale the images")
        return _run(
            self.network, self.variables, self.architecture, jnp.asarray(images), code, record
        )


def save_model(path: Path, model: Model, *, replace: bool = False) -> None:
    """Save a model with all that is needed to run it."""
    tree = {"variables": model.variables, "architecture": model.architecture}
    meta = {"spec": dataclasses.asdict(model.spec), **model.meta}
    checkpoint.save(path, tree, meta=meta, replace=replace)


def load(path: str | Path) -> Model:
    """Load a model. Raises: InputError for a missing, foreign or damaged folder."""
    meta = checkpoint.read_meta(Path(path))
    try:
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in meta["spec"].items()}
        spec = NetworkSpec(**values)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is a checkpoint but holds no network") from error
    variables = jax.eval_shape(lambda: initialise(Network(spec), jax.random.key(0)))
    template = {
        "variables": jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), variables),
        "architecture": largest(spec),
    }
    tree, _ = checkpoint.restore(Path(path), template)
    rest = {key: value for key, value in meta.items() if key != "spec"}
    return Model(spec, tree["architecture"], tree["variables"], rest)
