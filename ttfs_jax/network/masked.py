"""The network of a plan: one maximal shape, one parameter tree, any code, any architecture."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from ttfs_jax.codes import Code, Signal, find_code
from ttfs_jax.network.architecture import Architecture, NetworkSpec, largest, make_plan
from ttfs_jax.network.layers import LayerInfo, Reading, Readout, SpikingLayer
from ttfs_jax.network.plan import Plan
from ttfs_jax.network.walk import Walk
from ttfs_jax.support.errors import InputError

# Of a network: `params`, `statistics` and `windows`, each a dict by layer name.
Variables = dict


@struct.dataclass
class Output:
    """What a network returns for one batch."""

    logits: jax.Array  # [B, K] output potentials, or [B, H, W, K], of the first read-out
    readouts: dict[str, jax.Array]  # the same of every read-out
    layers: dict[str, LayerInfo]  # reports of layers of neurons, by name
    passed: dict[str, jax.Array]  # [H, W] spikes handed on by inputs and pooling, summed over B
    signals: dict[str, Signal]  # every layer's signal when recording, else empty


Owner = tuple[str, str, tuple[int, ...] | None]  # name, kind and shape of the weights of a layer


class Group(nn.Module):
    """Own the variables of the layers of a group."""

    owners: tuple[Owner, ...]  # the layers, by their names within the group

    @nn.compact
    def __call__(self) -> dict:
        """Gather the weights of the layers by name."""
        return _own(self.owners)


def _own(owners: Iterable[Owner]) -> dict:
    """Make the variables of layers inside a module; those named a/b belong to a group a."""
    owned, groups = {}, {}
    for name, kind, shape in owners:
        group, _, rest = name.partition("/")
        if rest:
            groups.setdefault(group, []).append((rest, kind, shape))
        else:
            owner: Any = Readout if kind == "readout" else SpikingLayer
            owned[name] = owner(shape, name=name)()
    for group, members in groups.items():
        inside = Group(tuple(members), name=group)()
        owned |= {f"{group}/{name}": weights for name, weights in inside.items()}
    return owned


class Network(nn.Module):
    """The network of a plan, in any code.

    Variables: `params`, `statistics` (of the norms) and `windows`, each a dict by layer name, those
    of a layer a/b in a dict a. Reports and recorded signals go by the same names.
    `timeline.signal_names` lists those that an architecture uses.

    Examples:
        >>> import jax
        >>> from ttfs_jax import Network, Plan, initialise, largest
        >>> from ttfs_jax.network.kinds import dense, readout
        >>> plan = Plan((4, 4, 1), (dense("head", 8), readout("classes", 3)))
        >>> network = Network(plan)
        >>> variables = initialise(network, jax.random.key(0))
        >>> images = jax.random.uniform(jax.random.key(1), (2, 4, 4, 1))
        >>> network.apply(variables, images, largest(plan), code="ttfs").logits.shape
        (2, 3)
    """

    spec: NetworkSpec | Plan
    """The plan, or the shape of a searchable network, which has one."""

    @property
    def plan(self) -> Plan:
        """Return the layers."""
        return make_plan(self.spec)

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        architecture: Architecture,
        *,
        code: str | Code = "relu",
        batch_statistics: bool = False,
        record: bool = False,
    ) -> Output:
        """Compute the output potentials of a batch of images.

        Shapes: images [B, H, W, C] in [0, 1] -> logits [B, K] and a report for each layer.
        `code` is a name in `codes.CODES` or a code itself; `"ttfs"` computes with spike times, in
        2^b steps if the architecture has time bits. A layer with a code of its own keeps it,
        except in `"relu"`, which reads the whole network as its ReLU twin. `batch_statistics`
        normalises by this batch (training), else by stored statistics.
        No spike: black pixels, masked neurons, and activations ≤ 0.
        Raises: InputError for an unknown code, for images of whole numbers or none at all,
        ValueError for images of another shape than the plan's.
        """
        plan, images = self.plan, jnp.asarray(images)
        if images.shape[1:] != plan.image_shape:
            raise ValueError(
                f"images must be [B, {', '.join(map(str, plan.image_shape))}], not {images.shape}"
            )
        if not jnp.issubdtype(images.dtype, jnp.floating) and images.dtype != jnp.bool_:
            raise InputError(f"images must be floats in [0, 1], not {images.dtype}: divide by 255")
        if not len(images):
            raise InputError("a network needs one image or more; a `Model` takes none, too")
        weights = _own(
            (layer.name, layer.kind, plan.kernel_shape(layer) if layer.weighted else None)
            for layer in plan
            if layer.spiking or layer.weighted
        )
        # In one precision, so that skipped and computed layers of a block send the same.
        images = images.astype(weights[plan.readout][0].dtype)
        reading = Reading(find_code(code), batch_statistics, architecture.time_bits)
        outcome = Walk(plan, weights, architecture, reading).run(images, record=record)
        signals = {name: sent for name, sent in outcome.sent.items() if isinstance(sent, Signal)}
        return Output(
            logits=outcome.readouts[plan.readout],
            readouts=outcome.readouts,
            layers=outcome.reports,
            passed=outcome.passed,
            signals=signals if record else {},
        )


@partial(jax.jit, static_argnums=0)
def initialise(network: Network, key: jax.Array) -> Variables:
    """Draw fresh variables of a `network` for its maximal shape, by a random `key`.

    Compiled, since op by op it takes far longer.
    """
    images = jnp.zeros((1, *network.plan.image_shape))
    variables: Any = network.init(key, images, largest(network.plan))
    return variables
