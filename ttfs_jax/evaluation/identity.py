"""ReLU ↔ TTFS: calibrate statistics and windows, fold the norms, prove the two codes equal."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ttfs_jax.evaluation.measure import in_chunks
from ttfs_jax.network import window as windows
from ttfs_jax.network.architecture import Architecture, neurons_by_layer
from ttfs_jax.network.encoding import first_spike_readout
from ttfs_jax.network.masked import Network, Variables
from ttfs_jax.support.devices import multiply_in


def layer_of(tree: dict, name: str) -> dict:
    """Return the sub-tree of a layer, such as `block_0/first`."""
    for part in name.split("/"):
        tree = tree[part]
    return tree


def with_layer(tree: dict, name: str, leaf: dict) -> dict:
    """Return the tree with the layer of that name replaced; nothing is changed in place."""
    head, _, rest = name.partition("/")
    return tree | {head: with_layer(tree[head], rest, leaf) if rest else leaf}


def calibrate(
    network: Network,
    variables: Variables,
    architecture: Architecture,
    images: jax.Array,
    *,
    margin: float = 1.5,
    readout_margin: float = windows.READOUT_MARGIN,
) -> Variables:
    """Estimate norm statistics and windows on a calibration batch, in the `relu` code.

    T = margin · largest activation, layer by layer; the window of the first-spike read-out holds
    `readout_margin` times the spread of the logits.

    Shapes: images [B, H, W, C], one batch of the training set -> variables.
    No spike: a layer that stays silent gets the window 1.
    """
    out = network.apply(variables, images, architecture, batch_statistics=True)
    statistics, lengths = variables["statistics"], variables["windows"]
    for name, info in out.layers.items():
        statistics = with_layer(statistics, name, {"mean": info.mean, "std": info.std})
        length = windows.calibrate(info.largest, margin=margin)
        lengths = with_layer(lengths, name, {"window": length})
    readout = windows.calibrate_readout(out.logits, margin=readout_margin)
    lengths = lengths | {"output": readout}
    return variables | {"statistics": statistics, "windows": lengths}


def fold(variables: Variables) -> Variables:
    """Fold the norms into weights and thresholds, so that the network is plain B1.

    W ← W · scale / std,  D ← bias − mean · scale / std, and then scale = 1, mean = 0, std = 1.

    The zero padding of a convolution stays exact at borders: the norm acts after the sum.
    Source: Stanojevic et al. 2024, Methods (arXiv:2306.08744).
    """

    def folded(params, statistics):
        if "mean" not in statistics:
            both = {k: folded(params[k], statistics[k]) for k in statistics}
            return params | {k: v[0] for k, v in both.items()}, {k: v[1] for k, v in both.items()}
        mean, std = statistics["mean"], statistics["std"]
        gain = params["scale"] / std
        layer = {
            "kernel": params["kernel"] * gain[None],
            "bias": params["bias"] - mean * gain,
            "scale": jnp.ones_like(gain),
        }
        return layer, {"mean": jnp.zeros_like(mean), "std": jnp.ones_like(std)}

    params, statistics = folded(variables["params"], variables["statistics"])
    return variables | {"params": params, "statistics": statistics}


AGREEMENT, LOGIT_ERROR = 0.999, 1e-4  # of a proof: at least, at most


class EqualityReport(NamedTuple):
    """How equal the two codes are on a set of images."""

    max_abs_logit_error: float
    max_rel_logit_error: float  # largest error over the largest logit
    max_rel_logit_error_unclipped: float  # the same of images without clipped neurons, else NaN
    argmax_agreement: float  # share of all images
    argmax_agreement_unclipped: float  # share of the images without clipped neurons, else NaN
    first_spike_agreement: float  # share whose first output spike is the largest potential
    unclipped: float  # share of images without clipped neurons
    clip_rate: float  # clipped neurons over all neurons
    spikes_per_neuron: dict[str, float]  # by layer, in the ttfs code

    @property
    def failures(self) -> tuple[str, ...]:
        """Say why these images prove no equality; empty if they do.

        Wanted: the same class for all images but one in a thousand (clipped neurons or not), and
        logits that differ by rounding only where no neuron is clipped. NaN proves nothing.
        """
        reasons = []
        if not self.argmax_agreement >= AGREEMENT:
            reasons.append(
                f"the codes agree on {self.argmax_agreement:.2%} of the images, clip rate "
                f"{self.clip_rate:.1e}: windows are too short, raise the margin"
            )
        if not self.max_rel_logit_error_unclipped <= LOGIT_ERROR:
            reasons.append(
                f"logits differ by {self.max_rel_logit_error_unclipped:.1e} of the largest where "
                f"no neuron is clipped ({self.unclipped:.2%} of the images)"
            )
        return tuple(reasons)


@partial(jax.jit, static_argnums=(0, 4))
def _both_codes(network, variables, architecture, images, batch_size):
    exact = architecture.replace(time_bits=jnp.zeros_like(architecture.time_bits))

    def both(images):
        with multiply_in("float32"):
            relu = network.apply(variables, images, exact)
            ttfs = network.apply(variables, images, exact, code="ttfs")
        clipped = sum(info.clipped for info in ttfs.layers.values())
        spikes = {name: info.spikes.sum() for name, info in ttfs.layers.items()}
        first = first_spike_readout(ttfs.logits, **variables["windows"]["output"]).argmin(-1)
        return (relu.logits, ttfs.logits, first, clipped), spikes

    return in_chunks(both, images, batch_size)


def compare(
    network: Network,
    variables: Variables,
    architecture: Architecture,
    images: jax.Array,
    *,
    batch_size: int = 500,
) -> EqualityReport:
    """Compare the two codes of one network, in continuous time.

    Shapes: images [N, H, W, C]. Time bits are left out here: they are a loss of accuracy, not
    of the identity, and are measured as such.
    """
    (relu, ttfs, first, clipped), spikes = jax.tree.map(
        np.asarray, _both_codes(network, variables, architecture, images, batch_size)
    )
    neurons = jax.tree.map(int, neurons_by_layer(network.spec, architecture))
    errors, largest = np.abs(relu - ttfs).max(1), np.abs(relu).max()
    agree = relu.argmax(1) == ttfs.argmax(1)
    fits = clipped == 0
    nothing = float("nan")
    return EqualityReport(
        max_abs_logit_error=float(errors.max()),
        max_rel_logit_error=float(errors.max() / largest),
        max_rel_logit_error_unclipped=(
            float(errors[fits].max() / largest) if fits.any() else nothing
        ),
        argmax_agreement=float(agree.mean()),
        argmax_agreement_unclipped=float(agree[fits].mean()) if fits.any() else nothing,
        first_spike_agreement=float((first == ttfs.argmax(1)).mean()),
        unclipped=float(fits.mean()),
        clip_rate=float(clipped.mean() / sum(neurons.values())),
        spikes_per_neuron={
            name: float(count / (len(images) * neurons[name]))
            for name, count in spikes.items()
            if neurons[name]
        },
    )
