"""Successive halving: members that are behind stop early."""

from dataclasses import dataclass

from search.config import HalvingConfig


@dataclass(frozen=True)
class Rung:
    """After so many epochs the best `keep` go on."""

    epoch: int  # epochs trained by then
    keep: int  # members that go on


def rungs(members: int, epochs: int, config: HalvingConfig) -> tuple[Rung, ...]:
    """Plan the rungs: after first · factorⁱ epochs the best ⌈P / factorⁱ⁺¹⌉ go on, at least one.

    P are the `members` that begin, `epochs` those of a whole training; `config` has the rest.

    Source: successive halving, Jamieson & Talwalkar 2016 (arXiv:1502.07943), with the rungs of
    ASHA, Li et al. 2020 (arXiv:1810.05934), synchronous.
    """
    planned, epoch, survivors = [], config.first, members
    while config.factor > 1 and epoch < epochs and survivors > 1:
        survivors = -(-survivors // config.factor)
        planned.append(Rung(epoch, survivors))
        epoch *= config.factor
    return tuple(planned)
