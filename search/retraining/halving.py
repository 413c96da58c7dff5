"""Successive halving: members that are behind stop early."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rung:
    """After so many epochs the best `keep` go on."""

    epoch: int  # epochs trained by then
    keep: int  # members that go on


def rungs(members: int, epochs: int, factor: int) -> tuple[Rung, ...]:
    """Plan the rungs: after factorⁱ epochs the best ⌈P / factorⁱ⁺¹⌉ go on, at least one.

    P are the `members` that begin, `epochs` those of a whole training. With a `factor` of 1 all
    train to the end.

    Source: successive halving, Jamieson & Talwalkar 2016 (arXiv:1502.07943), with the rungs of
    ASHA, Li et al. 2020 (arXiv:1810.05934), synchronous.
    """
    planned, epoch, survivors = [], 1, members
    while factor > 1 and epoch < epochs and survivors > 1:
        survivors = -(-survivors // factor)
        planned.append(Rung(epoch, survivors))
        epoch *= factor
    return tuple(planned)
