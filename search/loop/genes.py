"""Genotypes as vectors of categorical choices, which every space lists, counts and samples."""

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Gene:
    """One choice."""

    name: str  # a column of the history
    choices: tuple[str | int, ...]  # its values, by number


class Genes:
    """A space that lists its choices in `genes`; the base of all spaces.

    Where several genotypes stand for one network, `canonical` chooses one of them; sizes, samples
    and archives use only that one.
    """

    name: str
    """Name by which users choose the space."""
    genes: tuple[Gene, ...]
    """The choices, G of them."""

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Count the choices of every gene."""
        return tuple(len(gene.choices) for gene in self.genes)

    @property
    def groups(self) -> tuple[int, ...]:
        """Split the genes into successive groups, by length; `canonical` treats each separately."""
        return (1,) * len(self.genes)

    def canonical(self, genotypes: np.ndarray) -> np.ndarray:
        """Return the genotypes that represent the same networks: [..., G] -> [..., G].

        By default every genotype represents itself.
        """
        return np.asarray(genotypes, np.int32)

    @cached_property
    def tables(self) -> tuple[np.ndarray, ...]:
        """List the canonical choices of every group of genes: each [n, genes of the group]."""
        tables, first = [], 0
        for length in self.groups:
            own = slice(first, first + length)
            choices = list(itertools.product(*map(range, self.cardinalities[own])))
            genotypes = np.zeros((len(choices), len(self.genes)), np.int32)
            genotypes[:, own] = choices
            tables.append(np.unique(self.canonical(genotypes)[:, own], axis=0))
            first += length
        return tuple(tables)

    @property
    def size(self) -> int:
        """Count the distinct networks: the product of the groups' canonical choices."""
        return math.prod(map(len, self.tables))

    def describe(self, genotype: np.ndarray) -> dict[str, str | int]:
        """Name the choices of a genotype [G]."""
        pairs = zip(self.genes, np.asarray(genotype).tolist(), strict=True)
        return {gene.name: gene.choices[index] for gene, index in pairs}

    def sample(self, key: jax.Array, count: int) -> jax.Array:
        """Draw canonical genotypes by `key`, uniformly over networks: [count, G]; traceable."""
        limits = jnp.asarray([len(table) for table in self.tables])
        rows = jax.random.randint(key, (count, len(limits)), 0, limits[None], dtype=jnp.int32)
        parts = [jnp.asarray(table)[rows[:, n]] for n, table in enumerate(self.tables)]
        return jnp.concatenate(parts, 1)

    def draw(self, generator: np.random.Generator) -> tuple[int, ...]:
        """Draw one canonical genotype by `generator`, uniformly over networks, outside of JAX."""
        rows = [table[generator.integers(len(table))] for table in self.tables]
        return tuple(np.concatenate(rows).tolist())


def idle_last(choices: np.ndarray, idle: int) -> np.ndarray:
    """Move the choice `idle` behind all others of `choices`, in their order: [..., n]."""
    return np.take_along_axis(choices, np.argsort(choices == idle, axis=-1, kind="stable"), -1)
