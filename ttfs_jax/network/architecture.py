"""Which network: the fixed maximal shape, and the small pytree that masks it.

Dimension letters used throughout: P population, B batch, H and W height and width, I in, O out,
C channels, K classes, N blocks, S stages, T length of a window.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import struct

OPERATORS = ("skip", "conv3x3", "conv5x5", "residual")
SKIP, CONV3, CONV5, RESIDUAL = range(4)


@dataclass(frozen=True)
class NetworkSpec:
    """The maximal shape that every architecture of a space is a part of.

    A stem convolution, then stages, which are searchable blocks of one width and resolution;
    before each later stage an earliest-spike pooling by 2 and a 3 × 3 entry convolution; at the
    end average pooling, a dense head and the output potentials.
    """

    image_shape: tuple[int, int, int]
    classes: int
    stage_widths: tuple[int, ...]
    stage_blocks: tuple[int, ...]
    head_width: int
    stem_kernel: int = 3
    stem_stride: int = 1
    head_pool: int = 2

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
