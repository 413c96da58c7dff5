"""From a ReLU network to one in spike times: calibrate statistics and windows, fold the norms."""

from typing import Any

import jax
import jax.numpy as jnp

from ttfs_jax.codes import find_code
from ttfs_jax.codes import window as windows
from ttfs_jax.network.architecture import Architecture
from ttfs_jax.network.layers import over_channels, with_layer
from ttfs_jax.network.masked import Network, Variables


def calibrate(
    network: Network,
    variables: Variables,
    architecture: Architecture,
    images: jax.Array,
    *,
    margin: float = 1.5,
    readout_margin: float = windows.READOUT_MARGIN,
    batch_statistics: bool = True,
) -> Variables:
    """Estimate norm statistics and windows on a calibration batch, in the `relu` code.

    T = margin · largest activation, layer by layer; the window of the first-spike read-out holds
    `readout_margin` times the spread of the logits. Without `batch_statistics` the norms stay as
    they are: for a network trained elsewhere (see `imports`), or one that was folded before.

    Shapes: images [B, H, W, C], one batch of the training set -> variables. `architecture` says
    what of the `network` is in use; the `variables` given are not changed.
    No spike: a layer that stays silent gets the window 1.

    Examples:
        >>> import jax
        >>> from ttfs_jax import Network, Plan, initialise, largest
        >>> from ttfs_jax.network.kinds import dense, readout
        >>> plan = Plan((4, 4, 1), (dense("head", 8), readout("classes", 3)))
        >>> network, architecture = Network(plan), largest(plan)
        >>> variables = initialise(network, jax.random.key(0))
        >>> images = jax.random.uniform(jax.random.key(1), (16, 4, 4, 1))
        >>> variables = calibrate(network, variables, architecture, images)
        >>> bool(variables["windows"]["head"]["window"] > 0)
        True
    """
    out: Any = network.apply(variables, images, architecture, batch_statistics=batch_statistics)
    # A network without weighted neurons has no statistics.
    statistics, lengths = variables.get("statistics", {}), variables["windows"]
    for layer in network.plan.spiking:
        info = out.layers[layer.name]
        if layer.weighted:
            statistics = with_layer(statistics, layer.name, {"mean": info.mean, "std": info.std})
        code = find_code(layer.code or "ttfs")
        length = code.calibrate(info.largest, margin=margin)
        lengths = with_layer(lengths, layer.name, {"window": length})
    for name, potentials in out.readouts.items():
        readout = windows.calibrate_readout(potentials, margin=readout_margin)
        lengths = with_layer(lengths, name, readout)
    return _with(variables, statistics=statistics, windows=lengths)


def fold(variables: Variables) -> Variables:
    """Fold the norms into weights and thresholds, so that the network is plain B1.

    W ← W · scale / std,  D ← bias − mean · scale / std, and then scale = 1, mean = 0, std = 1.

    `variables` are those of a calibrated network; they are not changed, new ones are returned. The
    zero padding of a convolution stays exact at borders: the norm acts after the sum.
    Source: Stanojevic et al. 2024, Methods (arXiv:2306.08744).

    Examples:
        >>> import jax
        >>> from ttfs_jax import Network, Plan, initialise
        >>> from ttfs_jax.network.kinds import dense, readout
        >>> plan = Plan((4, 4, 1), (dense("head", 8), readout("classes", 3)))
        >>> network = Network(plan)
        >>> variables = initialise(network, jax.random.key(0))
        >>> bool((fold(variables)["statistics"]["head"]["std"] == 1).all())
        True
    """

    def folded(params, statistics):
        if "mean" not in statistics:
            both = {k: folded(params[k], statistics[k]) for k in statistics}
            return params | {k: v[0] for k, v in both.items()}, {k: v[1] for k, v in both.items()}
        mean, std = statistics["mean"], statistics["std"]
        gain = params["scale"] / std
        layer = {
            "kernel": params["kernel"] * over_channels(gain, params["kernel"].ndim),
            "bias": params["bias"] - mean * gain,
            "scale": jnp.ones_like(gain),
        }
        return layer, {"mean": jnp.zeros_like(mean), "std": jnp.ones_like(std)}

    params, statistics = folded(variables["params"], variables.get("statistics", {}))
    return _with(variables, params=params, statistics=statistics)


def _with(variables: Variables, **changed: dict) -> Variables:
    """Replace collections; one that the network does not have stays out."""
    return {name: changed.get(name, collection) for name, collection in variables.items()}
