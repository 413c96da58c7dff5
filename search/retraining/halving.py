"""Successive halving: the worst members stop early."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rung:
    """The best `keep` continue after `epoch` epochs."""

    epoch: int  # epochs trained by then
    keep: int  # members that continue


def rungs(members: int, epochs: int, factor: int) -> tuple[Rung, ...]:
    """Plan the rungs: after factorⁱ epochs the best ⌈P / factorⁱ⁺¹⌉ continue, at least one.

    P is the number of `members` at the start, `epochs` the length of a whole training. With a
    `factor` of 1 all train to the end.

    Source: successive halving, Jamieson & Talwalkar 2016 (arXiv:1502.07943), with the rungs of
    ASHA, Li et al. 2020 (arXiv:1810.05934), synchronous.
    """
    planned, epoch, survivors = [], 1, members
    while factor > 1 and epoch < epochs and survivors > 1:
        survivors = -(-survivors // factor)
        planned.append(Rung(epoch, survivors))
        epoch *= factor
    return tuple(planned)
