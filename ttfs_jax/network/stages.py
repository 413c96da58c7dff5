"""The plan of the searchable networks: a stem, stages of blocks, a dense head."""

from functools import cache

import jax.numpy as jnp
import numpy as np

from ttfs_jax.network.architecture import (
    CONV5,
    OPERATORS,
    RESIDUAL,
    SKIP,
    Architecture,
    NetworkSpec,
)
from ttfs_jax.network.kinds import (
    Layer,
    Width,
    average_pool,
    convolution,
    dense,
    earliest_pool,
    readout,
)
from ttfs_jax.network.plan import Plan


def _block(number: int, source: str, width: Width) -> tuple[Layer, Layer]:
    """List the layers of a searchable block; the 3 × 3 kernel is the centre of the 5 × 5 one."""
    first, second = f"block_{number}/first", f"block_{number}/second"
    edges = [3] * len(OPERATORS)
    edges[SKIP], edges[CONV5] = 0, 5
    again = tuple(3 * (operator == RESIDUAL) for operator in range(len(OPERATORS)))
    return (
        Layer(first, "convolution", (source,), width, tuple(edges), number),
        Layer(second, "convolution", (first,), width, again, number, skips=(source,)),
    )


@cache
def make_plan(shape: NetworkSpec | Plan) -> Plan:
    """List the layers of a searchable network; a plan is returned unchanged.

    `Architecture.widths` says how many channels each stage has in use, `head` how many neurons the
    head has, and `operators` which layers of each block are run, and with which kernels.
    """
    if isinstance(shape, Plan):
        return shape
    spec, layers, block = shape, [], 0
    for stage, largest in enumerate(spec.stage_widths):
        width = Width(largest, "widths", stage)
        if stage:
            layers += [earliest_pool(f"pool{stage}"), convolution(f"entry_{stage - 1}", width)]
        else:
            layers.append(
                convolution("stem", width, kernel=spec.stem_kernel, stride=spec.stem_stride)
            )
        for number in range(block, block + spec.stage_blocks[stage]):
            layers += _block(number, layers[-1].name, width)
        block += spec.stage_blocks[stage]
    layers += [
        average_pool("body", size=spec.head_pool),
        dense("head", Width(spec.head_width, "head")),
        readout("output", spec.classes),
    ]
    return Plan(spec.image_shape, tuple(layers))


def largest(shape: NetworkSpec | Plan, *, time_bits: int = 0) -> Architecture:
    """Return the architecture that uses everything: all channels, and of each block most layers.

    A plan without genes has this one only. `time_bits` b are 2^b time steps per window; 0 is
    continuous time. Of operators that run as many layers, the last one is taken.
    """
    plan = make_plan(shape)
    widths, head, runs = {}, 0, {}
    for layer in plan:
        if layer.width is not None and layer.width.gene == "widths":
            widths[layer.width.place] = layer.width.largest
        elif layer.width is not None and layer.width.gene == "head":
            head = layer.width.largest
        if layer.block is not None:
            runs[layer.block] = runs.get(layer.block, 0) + (np.asarray(layer.kernels) > 0)
    operators = [len(runs[n]) - 1 - int(runs[n][::-1].argmax()) for n in range(len(runs))]
    return Architecture(
        operators=jnp.asarray(operators, jnp.int32),
        widths=jnp.asarray([widths[n] for n in range(len(widths))], jnp.int32),
        head=jnp.asarray(head, jnp.int32),
        time_bits=jnp.asarray(time_bits, jnp.int32),
    )
