"""A trained network on disk and in use: `net = ttfs_jax.load("runs/x/best/0")`."""

import dataclasses
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ttfs_jax.codes import Code, Signal
from ttfs_jax.codes.code import has_steps
from ttfs_jax.codes.encoding import first_spike_readout
from ttfs_jax.network.architecture import Architecture, NetworkSpec, largest, make_plan
from ttfs_jax.network.layers import layer_of
from ttfs_jax.network.masked import Network, Variables, initialise
from ttfs_jax.network.plan import Plan, plan_from_dict
from ttfs_jax.network.timeline import Timeline, make_timeline, signal_names
from ttfs_jax.support import checkpoint
from ttfs_jax.support.errors import InputError
from ttfs_jax.zoo import network_folder

RESERVED = ("plan", "spec")  # keys of a checkpoint that a model's `meta` cannot have
CHUNK = 128  # images computed at a time, which bounds memory


@partial(jax.jit, static_argnames=("network", "code", "record"))
def _run(network, variables, architecture, images, code, record):
    """Return logits [B, K], recorded values [B, ...] and their windows []."""
    out = network.apply(variables, images, architecture, code=code, record=record)
    values = {name: signal.values for name, signal in out.signals.items()}
    return (out.logits, values), {name: signal.window for name, signal in out.signals.items()}


@jax.tree_util.register_pytree_node_class
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A network with its variables: a function from images to logits.

    It works inside `jit`, `vmap` and `grad`, also as their argument: a pytree whose leaves are
    `variables` and `architecture`. Images [B, H, W, C] are an array of any kind, or nested lists,
    with values in [0, 1]; they are computed as float32, a chunk at a time unless they are traced,
    so that memory does not grow with B beyond what is returned. B may be 0.

    Examples:
        >>> import jax
        >>> from ttfs_jax import Network, Plan, initialise, largest
        >>> from ttfs_jax.network.kinds import dense, readout
        >>> plan = Plan((4, 4, 1), (dense("head", 8), readout("classes", 3)))
        >>> variables = initialise(Network(plan), jax.random.key(0))
        >>> images = jax.random.uniform(jax.random.key(1), (16, 4, 4, 1))
        >>> model = Model(plan, largest(plan), variables)
        >>> model
        Model(4 × 4 × 1 images -> 3 classes)
        >>> model(images).shape, model.predict(images).shape
        ((16, 3), (16,))
        >>> list(model.signals(images))
        ['input', 'head']
    """

    plan: Plan
    """The layers; the `NetworkSpec` of a searchable network is turned into its plan."""
    architecture: Architecture
    """Which parts of the layers are in use, and the time steps."""
    variables: Variables
    """Parameters, statistics of the norms, and windows, by layer."""
    meta: dict = dataclasses.field(default_factory=dict)
    """Other information that is saved, as JSON values: `dataset`, `classes`."""

    @property
    def network(self) -> Network:
        """Return the flax module."""
        return Network(self.plan)

    def __post_init__(self):
        object.__setattr__(self, "plan", make_plan(self.plan))

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.plan.image_shape))
        data = self.meta.get("dataset")
        trained = f", trained on {data}" if data else ""
        return f"Model({shape} images -> {self.plan.classes} classes{trained})"

    def __call__(self, images: ArrayLike, *, code: str | Code = "ttfs") -> jax.Array:
        """Return output potentials: images [B, H, W, C] in [0, 1] -> logits [B, K].

        Time is quantised as the architecture says. Raises: InputError for images of another shape,
        and, unless they are traced, for pixels that are not finite or out of range.
        """
        return self._apply(images, code, record=False)[0]

    def signals(self, images: ArrayLike) -> dict[str, Signal]:
        """Return spike times and window of every layer for `images`; `NO_SPIKE` where silent.

        Layers come in the order of their windows, see `timeline`; skipped blocks are left out.
        Raises: InputError as a call does, and for a traced architecture, which does not say what
        is skipped.
        """
        if _is_traced(self.architecture):
            raise InputError("signals need a known architecture: do not pass the model to jit")
        values, windows = self._apply(images, "ttfs", record=True)[1:]
        names = signal_names(self.plan, np.asarray(self.architecture.operators))
        return {name: Signal(values[name], windows[name]) for name in names}

    @property
    def timeline(self) -> Timeline:
        """Lay out the windows of all layers in time. Raises: InputError for a traced model."""
        if _is_traced((self.architecture, self.variables)):
            raise InputError("a timeline needs a known model: do not pass the model to jit")
        return make_timeline(self.plan, self.architecture, self.variables["windows"])

    def predict(
        self, images: ArrayLike, *, readout: Literal["potential", "first-spike"] = "potential"
    ) -> jax.Array:
        """Return class indices of `images`: [B, H, W, C] -> [B].

        `readout` chooses the largest potential or the first output spike. Ties, and images without
        an output spike, give the class with the lowest index.

        Raises: InputError as a call does, and for a read-out of one channel, such as an image's;
        ValueError for an unknown read-out.
        """
        if self.plan.classes == 1:
            raise InputError(
                f"read-out {self.plan.readout} has one channel, which names no class: call the "
                "model itself, its potentials are the outputs"
            )
        if readout not in ("potential", "first-spike"):
            raise ValueError(f"readout must be 'potential' or 'first-spike', not {readout!r}")
        logits = self(images)
        if readout == "potential":
            return logits.argmax(-1)
        window = layer_of(self.variables["windows"], self.plan.readout)
        return first_spike_readout(logits, **window).argmin(-1)

    def _apply(self, images, code, record):
        """Return logits, recorded values and windows."""
        images = self._shaped(images)

        traced, count = _is_traced(images), max(len(images), 1)
        size = count if traced else min(count, CHUNK)

        def run(part):
            padding = size - len(part)  # in the last chunk of several, or for no image at all
            if padding:
                pad = jnp.pad if traced else np.pad
                part = pad(part, [(0, padding)] + [(0, 0)] * (part.ndim - 1))
            each, windows = _run(
                self.network, self.variables, self.architecture, part, code, record
            )
            if padding:
                each = jax.tree.map(lambda leaf: _samples(leaf, size - padding), each)
            return each, windows

        if traced:
            each, windows = run(images.astype(jnp.float32))
            return *each, windows
        starts = range(0, count, size)
        parts, windows = zip(
            *(run(_checked(np.asarray(images[n : n + size]))) for n in starts), strict=True
        )
        each = parts[0] if len(parts) == 1 else jax.tree.map(_joined, *parts)
        return *each, windows[0]

    def _shaped(self, images):
        """Make an array of images of the right shape, traced or in the memory of the host."""
        try:
            images = jnp.asarray(images) if _is_traced(images) else np.asarray(images)
        except (ValueError, TypeError) as error:
            raise InputError(f"images must be an array of numbers: {error}") from error
        kind = images.dtype
        if not any(jnp.issubdtype(kind, real) for real in (jnp.bool_, jnp.integer, jnp.floating)):
            raise InputError(f"images must be an array of real numbers, not {kind}")
        shape = self.plan.image_shape
        if images.ndim != 4 or images.shape[1:] != shape:
            hint = ": give one image as images[None]" if images.shape == shape else ""
            if images.ndim == 3 and (*images.shape[1:], 1) == shape:
                hint = ": give grey images as images[..., None]"
            raise InputError(
                f"images must be [B, {', '.join(map(str, shape))}], not {list(images.shape)}{hint}"
            )
        return images

    def tree_flatten(self) -> tuple[tuple, tuple]:
        """Split into leaves and what is static, for JAX."""
        return (self.variables, self.architecture), (self.plan, _Meta(self.meta))

    @classmethod
    def tree_unflatten(cls, static: tuple, leaves: tuple) -> "Model":
        """Put `static` and `leaves` together again, for JAX."""
        (plan, meta), (variables, architecture) = static, leaves
        return cls(plan, architecture, variables, meta.values)


class _Meta:
    """A model's `meta`, which JAX compares and hashes to find a compiled program."""

    def __init__(self, values: dict[str, Any]):
        self.values = values

    def __eq__(self, other) -> bool:
        return isinstance(other, _Meta) and self.values == other.values

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.values)))


def _is_traced(tree: Any) -> bool:
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def _samples(leaf: jax.Array, count: int) -> jax.Array:
    """Keep the first samples: [B, ...] or, with steps, [S, B, ...]."""
    return leaf[:, :count] if has_steps(leaf) else leaf[:count]


def _joined(*parts: jax.Array) -> jax.Array:
    """Join the samples of chunks: [B, ...] or, with steps, [S, B, ...] each."""
    return jnp.concatenate(parts, int(has_steps(parts[0])))


def _checked(images: np.ndarray) -> np.ndarray:
    """Turn images into float32. Raises: InputError for pixels that are not within [0, 1]."""
    pixels = images.astype(np.float32)
    if not (np.isfinite(pixels).all() and (pixels >= 0).all() and (pixels <= 1).all()):
        whole = images.dtype.kind in "iu"
        fix = "divide whole numbers up to 255 by 255" if whole else "clean and scale the images"
        raise InputError(f"pixels must be finite and within [0, 1]: {fix}")
    return pixels


def save_model(path: Path, model: Model, *, replace: bool = False) -> None:
    """Save a `model` with all that is needed to run it in the folder `path`.

    `replace` replaces a checkpoint there; it is kept until the new one is complete.

    Raises: InputError for an existing path, and for reserved names in `meta`.
    """
    for name in RESERVED:
        if name in model.meta:
            raise InputError(
                f"meta cannot have the key {name}, which a checkpoint has itself: rename"
            )
    tree = {"variables": model.variables, "architecture": model.architecture}
    meta = {"plan": dataclasses.asdict(model.plan), **model.meta}
    checkpoint.save(path, tree, meta=meta, replace=replace)


def load(path: str | Path) -> Model:
    """Load the model in the folder `path`, also one saved before networks had plans.

    `"zoo:NAME"` is a trained network that comes with the package, see `ttfs_jax.zoo`.

    Raises: InputError for a missing, foreign or damaged folder, or a name unknown to the zoo.

    Examples:
        >>> import ttfs_jax
        >>> ttfs_jax.load("zoo:digits")
        Model(8 × 8 × 1 images -> 10 classes, trained on digits)
    """
    path = network_folder(path)
    meta = checkpoint.read_meta(path)
    try:
        old = "plan" not in meta
        plan = _plan_of_spec(meta["spec"]) if old else plan_from_dict(meta["plan"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is a checkpoint but holds no network") from error
    shapes = jax.eval_shape(lambda: initialise(Network(plan), jax.random.key(0)))
    stored = jax.tree.map(lambda leaf: np.zeros(_stored(leaf.shape, old), leaf.dtype), shapes)
    template = {"variables": stored, "architecture": largest(plan)}
    tree, _ = checkpoint.restore(path, template)
    if jax.tree.map(np.shape, tree) != jax.tree.map(np.shape, template):
        raise InputError(f"{path} is damaged (its arrays are not those of its network)")
    variables = jax.tree.map(lambda leaf, like: leaf.reshape(like.shape), tree["variables"], shapes)
    rest = {key: value for key, value in meta.items() if key not in RESERVED}
    return Model(plan, tree["architecture"], variables, rest)


def _plan_of_spec(values: dict[str, Any]) -> Plan:
    """Read the shape that checkpoints of the first format have instead of a plan."""
    lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return make_plan(NetworkSpec(**lists))


def _stored(shape: tuple[int, ...], old: bool) -> tuple[int, ...]:
    """Return the shape of a leaf on disk: the first format has kernels [k k I, O]."""
    return (prod(shape[:-1]), shape[-1]) if old and len(shape) == 4 else shape
