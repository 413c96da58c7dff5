"""Which network: the searchable shapes with their plan, and the small pytree that masks a plan.

Dimension letters used throughout: P population, B batch, H and W height and width, I in, O out,
C channels, K classes, N blocks, S stages, T length of a window.
"""

from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

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

OPERATORS = ("skip", "conv3x3", "conv5x5", "residual")
SKIP, CONV3, CONV5, RESIDUAL = range(4)


@dataclass(frozen=True)
class NetworkSpec:
    """The maximal shape that every architecture of a space is a part of.

    A stem convolution, then stages, which are searchable blocks of one width and resolution;
    before each later stage an earliest-spike pooling by 2 and a 3 × 3 entry convolution; at the
    end average pooling, a dense head and the output potentials.
    """

    image_shape: tuple[int, int, int]  # height, width and channels
    classes: int  # output potentials, K
    stage_widths: tuple[int, ...]  # [S] channels of each stage at most
    stage_blocks: tuple[int, ...]  # [S] searchable blocks of each stage
    head_width: int  # neurons of the dense head at most
    stem_kernel: int = 3  # edge of the stem's kernel
    stem_stride: int = 1  # positions from one to the next neuron of the stem
    head_pool: int = 2  # edge of the blocks that are averaged before the head

    @property
    def blocks(self) -> int:
        """Count the searchable blocks."""
        return sum(self.stage_blocks)

    @property
    def stage_sizes(self) -> tuple[tuple[int, int], ...]:
        """Give height and width of each stage."""
        size = tuple(-(-n // self.stem_stride) for n in self.image_shape[:2])
        sizes = [(size[0], size[1])]
        for _ in self.stage_widths[1:]:
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        return tuple(sizes)

    @property
    def head_size(self) -> tuple[int, int]:
        """Give height and width of what the dense head sees."""
        height, width = self.stage_sizes[-1]
        return -(-height // self.head_pool), -(-width // self.head_pool)


@struct.dataclass
class Architecture:
    """One architecture: the choices that mask a `NetworkSpec`. All integers, all traceable."""

    operators: jax.Array  # [N] index into OPERATORS
    widths: jax.Array  # [S] channels in use
    head: jax.Array  # [] head neurons in use
    time_bits: jax.Array  # [] 2^b time steps per window; 0 = continuous time


def mask(width: jax.Array, maximum: int) -> jax.Array:
    """Mark the channels in use. Shapes: width [] -> bool [maximum]."""
    return jnp.arange(maximum) < width


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
    """List the layers of a searchable network of this `shape`; a plan is returned unchanged.

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
    """Return the architecture that uses everything: all channels, and most layers of each block.

    `shape` is a plan, or that of a searchable network. A plan without genes has this one only.
    `time_bits` b are 2^b time steps per window; 0 is continuous time. If several operators run as
    many layers, the last one is used.

    Examples:
        >>> from ttfs_jax import NetworkSpec
        >>> stages = {"stage_widths": (8, 16), "stage_blocks": (1, 1)}
        >>> spec = NetworkSpec((28, 28, 1), 10, **stages, head_width=32)
        >>> largest(spec, time_bits=5).widths.tolist()
        [8, 16]
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
