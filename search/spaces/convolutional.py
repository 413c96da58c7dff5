"""Spaces of convolutional networks: what their genotypes stand for."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from search.loop.genes import Gene, Genes, idle_last
from ttfs_jax.network.architecture import OPERATORS, SKIP, Architecture, NetworkSpec


@dataclass(frozen=True)
class Space(Genes):
    """A named set of architectures, all parts of one maximal shape.

    Genes in order: an operator per block, a width per stage of the network, the head's width, the
    time bits.
    """

    name: str
    """Name by which users choose the space."""
    spec: NetworkSpec
    """The largest shape."""
    genes: tuple[Gene, ...]
    """The choices, in the order above."""

    @property
    def groups(self) -> tuple[int, ...]:
        """Group the blocks by stage; the other genes are independent."""
        stages = self.spec.stage_blocks
        return (*stages, *[1] * (len(self.genes) - sum(stages)))

    def canonical(self, genotypes: np.ndarray) -> np.ndarray:
        """Move the skips of every stage behind its other blocks: `genotypes` [..., G] -> [..., G].

        A skip is the identity, and the blocks of a stage have one width and resolution: (skip, X)
        and (X, skip) are the same network. In a supernet every block has its own weights, so the
        two inherit different ones; the first blocks of a stage represent both.
        """
        genotypes = np.array(genotypes, np.int32)
        first = 0
        for blocks in self.spec.stage_blocks:
            own = slice(first, first + blocks)
            genotypes[..., own] = idle_last(genotypes[..., own], SKIP)
            first += blocks
        return genotypes

    @property
    def grid_choices(self) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
        """Give the widths offered for every stage, and those for the head."""
        blocks, stages = self.spec.blocks, len(self.spec.stage_widths)
        choices = [tuple(int(c) for c in gene.choices) for gene in self.genes[blocks:]]
        return tuple(choices[:stages]), choices[stages]

    def decode(self, genotype: jax.Array) -> Architecture:
        """Turn a genotype [G] of choice indices into an architecture; traceable."""
        blocks, stages = self.spec.blocks, len(self.spec.stage_widths)
        values = [
            jnp.asarray(gene.choices, jnp.int32)[genotype[n]]
            for n, gene in enumerate(self.genes)
            if n >= blocks
        ]
        return Architecture(
            operators=genotype[:blocks].astype(jnp.int32),
            widths=jnp.stack(values[:stages]),
            head=values[stages],
            time_bits=values[stages + 1],
        )


def _convolutional(
    name: str,
    image_shape: tuple[int, int, int],
    classes: int,
    *,
    widths: tuple[tuple[int, ...], ...],
    heads: tuple[int, ...],
    bits: tuple[int, ...],
    blocks: tuple[int, ...] = (2, 2),
    halve: bool,
) -> Space:
    """Make a space of any operator per block, and of given widths, heads and time bits.

    `blocks` are those of each stage; the stem may `halve` the resolution, by a 5 × 5 kernel.
    """
    spec = NetworkSpec(
        image_shape,
        classes,
        stage_widths=tuple(max(tier) for tier in widths),
        stage_blocks=blocks,
        head_width=max(heads),
        stem_kernel=5 if halve else 3,
        stem_stride=2 if halve else 1,
    )
    genes = [Gene(f"block_{n}", OPERATORS) for n in range(spec.blocks)]
    genes += [Gene(f"width_{n}", tier) for n, tier in enumerate(widths)]
    genes += [Gene("head", heads), Gene("time_bits", bits)]
    return Space(name, spec, tuple(genes))


def _large(image_shape: tuple[int, int, int]) -> bool:
    """Tell whether images are so large that the stem halves them."""
    return min(image_shape[:2]) >= 20


def conv_space(
    image_shape: tuple[int, int, int], classes: int, *, narrow: bool | None = None
) -> Space:
    """Build the convolutional space for images of `image_shape` in `classes` classes.

    Operators skip, 3 × 3, 5 × 5 and residual in two stages of two blocks; three tiers of width
    per stage and for the head; 4, 5 or 6 time bits, for larger images 5 or 6. The choices are ours:
    the paper publishes none. `narrow` layers are the default for small images only.
    """
    large = _large(image_shape)
    narrow = not large if narrow is None else narrow
    return _convolutional(
        "conv",
        image_shape,
        classes,
        widths=((8, 12, 16), (16, 24, 32)) if narrow else ((8, 16, 24), (16, 32, 48)),
        heads=(32, 48, 64) if narrow else (64, 96, 128),
        # 16 time steps cost deeper networks a point of recall that inherited weights do not show.
        bits=(5, 6) if large else (4, 5, 6),
        halve=large,
    )


def wide_range_space(image_shape: tuple[int, int, int], classes: int) -> Space:
    """Build a convolutional space of very different architectures, to compare how well they rank.

    As `conv_space`, for images of `image_shape` in so many `classes`, with four widths per stage
    and for the head, the largest eight times the smallest, and 3 to 6 time bits.
    """
    return _convolutional(
        "conv-wide",
        image_shape,
        classes,
        widths=((2, 4, 8, 16), (4, 8, 16, 32)),
        heads=(8, 16, 32, 64),
        bits=(3, 4, 5, 6),
        halve=_large(image_shape),
    )


def deep_space(image_shape: tuple[int, int, int], classes: int) -> Space:
    """Build a convolutional space that keeps the full resolution in its first stage.

    As `conv_space`, for images of `image_shape` in so many `classes`, with a stem of stride 1 and
    three stages, of one, two and two blocks: up to fourteen layers of spiking neurons, which cost
    more operations than those of `conv`.
    """
    return _convolutional(
        "conv-deep",
        image_shape,
        classes,
        widths=((4, 6, 8), (12, 18, 24), (24, 36, 48)),
        heads=(32, 48, 64),
        bits=(5, 6),
        blocks=(1, 2, 2),
        halve=False,
    )
