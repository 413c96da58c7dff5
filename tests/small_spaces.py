"""Small spaces of convolutional networks: to count by hand, and for whole runs."""

import itertools
from functools import partial

import numpy as np

from search.loop.genes import Gene
from search.spaces.convolutional import Space, _convolutional
from ttfs_jax.network.architecture import OPERATORS, NetworkSpec

SKIP = OPERATORS.index("skip")


def small_space(blocks=(2,), widths=(2,), heads=(3,)):
    spec = NetworkSpec((6, 6, 1), 3, (2,) * len(blocks), blocks, head_width=max(heads))
    genes = [Gene(f"block_{n}", OPERATORS) for n in range(sum(blocks))]
    genes += [Gene(f"width_{n}", widths) for n in range(len(blocks))]
    return Space("small", spec, (*genes, Gene("head", heads), Gene("time_bits", (4,))))


SMALL = small_space()
# Two blocks take half as long to trace and to compile as the four of `conv`.
tiny_space = partial(
    _convolutional,
    "tiny",
    widths=((4, 6, 8), (8, 12, 16)),
    heads=(16, 24, 32),
    bits=(4, 5, 6),
    blocks=(1, 1),
    halve=False,
)


def everything(space):
    return np.array(list(itertools.product(*map(range, space.cardinalities))), np.int32)


def network_of_blocks(space, genotype):
    """Name what is left of a genotype without skips: the blocks of every stage, the other genes."""
    left, stages = list(genotype), []
    for blocks in space.spec.stage_blocks:
        stages.append(tuple(gene for gene in left[:blocks] if gene != SKIP))
        left = left[blocks:]
    return (*stages, tuple(left))
