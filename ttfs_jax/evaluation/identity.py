"""Prove that the two codes, ReLU and TTFS, are equal on a set of images."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ttfs_jax.codes.encoding import first_spike_readout
from ttfs_jax.evaluation.measure import check_images, clipped_neurons, in_chunks
from ttfs_jax.network.architecture import Architecture
from ttfs_jax.network.counts import neurons_by_layer
from ttfs_jax.network.layers import layer_of
from ttfs_jax.network.masked import Network, Variables
from ttfs_jax.support.devices import multiply_in

INEXACT = (
    "layers in a code of their own that is not exact, such as rate, have no equal ReLU reading"
)
AGREEMENT, LOGIT_ERROR = 0.999, 1e-4  # of a proof: at least, at most


class EqualityReport(NamedTuple):
    """How equal the two codes are on a set of images."""

    max_abs_logit_error: float  # largest difference of a logit
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

        Required: the same class for all images except one in a thousand (clipped neurons or not),
        and logits that differ by rounding only where no neuron is clipped. NaN proves nothing.
        """
        reasons = []
        if not self.argmax_agreement >= AGREEMENT:
            cause = "windows are too short, raise the margin" if self.clip_rate else INEXACT
            reasons.append(
                f"the codes agree on {self.argmax_agreement:.2%} of the images, clip rate "
                f"{self.clip_rate:.1e}: {cause}"
            )
        if not self.max_rel_logit_error_unclipped <= LOGIT_ERROR:
            reasons.append(
                f"logits differ by {self.max_rel_logit_error_unclipped:.1e} of the largest where "
                f"no neuron is clipped ({self.unclipped:.2%} of the images)"
                + (f": {INEXACT}" if self.unclipped else "")
            )
        return tuple(reasons)


@partial(jax.jit, static_argnums=(0, 4))
def _both_codes(network, variables, architecture, images, batch_size):
    exact = architecture.replace(time_bits=jnp.zeros_like(architecture.time_bits))
    readout = layer_of(variables["windows"], network.plan.readout)

    def both(images):
        with multiply_in("float32"):
            relu = network.apply(variables, images, exact)
            ttfs = network.apply(variables, images, exact, code="ttfs")
        clipped = clipped_neurons(ttfs.layers, len(images))
        spikes = {name: info.spikes.sum() for name, info in ttfs.layers.items()}
        first = first_spike_readout(ttfs.logits, **readout).argmin(-1)
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

    `variables` are those of the `network`, `architecture` says what of it is in use, and
    `batch_size` images are computed at a time. Time bits are left out here: they cost accuracy, not
    identity, and are measured as such. Layers in an inexact code of their own, such as `rate`, are
    equal to their ReLU reading only on average.

    Shapes: images [N, H, W, C]. No spike: neurons that are silent in one code are silent in the
    other.
    Raises: InputError for no images at all.

    Examples:
        >>> import jax
        >>> from ttfs_jax import Network, Plan, calibrate, fold, initialise, largest
        >>> from ttfs_jax.network.kinds import dense, readout
        >>> plan = Plan((4, 4, 1), (dense("head", 8), readout("classes", 3)))
        >>> network, architecture = Network(plan), largest(plan)
        >>> variables = initialise(network, jax.random.key(0))
        >>> images = jax.random.uniform(jax.random.key(1), (16, 4, 4, 1))
        >>> variables = fold(calibrate(network, variables, architecture, images))
        >>> report = compare(network, variables, architecture, images)
        >>> report.argmax_agreement, report.failures
        (1.0, ())
    """
    check_images(images)
    (relu, ttfs, first, clipped), spikes = jax.tree.map(
        np.asarray, _both_codes(network, variables, architecture, images, batch_size)
    )
    neurons = jax.tree.map(int, neurons_by_layer(network.plan, architecture))
    samples, largest = len(relu), np.abs(relu).max()
    errors = np.abs(relu - ttfs).reshape(samples, -1).max(1)
    # Of several read-outs per image, such as pixels, all have to agree.
    agree = (relu.argmax(-1) == ttfs.argmax(-1)).reshape(samples, -1).all(1)
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
        first_spike_agreement=float((first == ttfs.argmax(-1)).mean()),
        unclipped=float(fits.mean()),
        clip_rate=float(clipped.mean() / max(sum(neurons.values()), 1)),
        spikes_per_neuron={
            name: float(count / (len(images) * neurons[name]))
            for name, count in spikes.items()
            if neurons[name]
        },
    )
