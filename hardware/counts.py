"""Spikes, synaptic operations and parameters of an architecture, measured on data."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from ttfs_jax.architecture import (
    CONV5,
    RESIDUAL,
    SKIP,
    Architecture,
    NetworkSpec,
    neurons_by_layer,
)
from ttfs_jax.evaluation import Measured


@struct.dataclass
class Counts:
    """What one inference costs, on average over the images measured."""

    spikes: jax.Array  # [] spikes of hidden neurons an image
    synops: jax.Array  # [] synaptic operations an image
    neurons: jax.Array  # [] spiking neurons in use
    params: jax.Array  # [] weights and thresholds in use, norms folded


def fan_out(height: int, width: int, *, size: int, stride: int = 1) -> np.ndarray:
    """Count the output positions that each input position reaches, exact at borders: [H, W]."""

    def reach(length):
        outputs = np.arange(-(-length // stride)) * stride
        return (np.abs(np.arange(length)[:, None] - outputs[None]) <= size // 2).sum(1)

    return np.outer(reach(height), reach(width)).astype(np.float32)


def count(spec: NetworkSpec, architecture: Architecture, measured: Measured) -> Counts:
    """Count what the architecture costs.

    SynOps = Σ over spikes of the synapses each one reaches, in channels in use; a skip
    connection is one synapse. Traceable, so it maps over a population.
    Source: definition of SynOps, Merolla et al. 2014, doi:10.1126/science.1254642.
    """
    widths = architecture.widths
    height, width, channels = spec.image_shape
    reach = fan_out(height, width, size=spec.stem_kernel, stride=spec.stem_stride)
    synops = (measured.passed["input"] * reach).sum() * widths[0]
    params = widths[0] * (spec.stem_kernel**2 * channels + 1)
    arriving = measured.spikes["stem"]
    block = 0
    for stage, blocks in enumerate(spec.stage_blocks):
        plane = spec.stage_sizes[stage]
        near, far = fan_out(*plane, size=3), fan_out(*plane, size=5)
        own = widths[stage]
        if stage:
            pooled = measured.passed[f"pool{stage}"]
            synops += (pooled * near).sum() * own
            params += own * (9 * widths[stage - 1] + 1)
            arriving = measured.spikes[f"entry_{stage - 1}"]
        for _ in range(blocks):
            operator = architecture.operators[block]
            first = measured.spikes[f"block_{block}/first"]
            second = measured.spikes[f"block_{block}/second"]
            runs, twice = operator != SKIP, operator == RESIDUAL
            wide = operator == CONV5
            through = jnp.where(wide, (arriving * far).sum(), (arriving * near).sum())
            synops += runs * own * through
            synops += twice * (own * (first * near).sum() + arriving.sum())
            params += runs * own * (jnp.where(wide, 25, 9) * own + 1)
            params += twice * own * (9 * own + 1)
            arriving = jnp.where(twice, second, jnp.where(runs, first, arriving))
            block += 1
    head_height, head_width = spec.head_size
    synops += measured.passed["body"].sum() * architecture.head
    params += architecture.head * (head_height * head_width * widths[-1] + 1)
    synops += measured.spikes["head"].sum() * spec.classes
    params += spec.classes * (architecture.head + 1)
    return Counts(
        spikes=sum(leaf.sum() for leaf in measured.spikes.values()),
        synops=synops,
        neurons=sum(neurons_by_layer(spec, architecture).values()),
        params=params,
    )
