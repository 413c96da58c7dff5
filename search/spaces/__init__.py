"""What genotypes stand for, by name. A new space is one module, and one line in `registry`."""

from search.spaces.convolutional import Space
from search.spaces.registry import SPACES, SpaceEntry, make_space
from search.spaces.xylo import XyloSpace

__all__ = ["SPACES", "Space", "SpaceEntry", "XyloSpace", "make_space"]
