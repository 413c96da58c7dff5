"""The networks that a search has evaluated: every distinct one once, with its scores."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from search.loop.genes import Genes


class Archive:
    """Every distinct network evaluated so far, in order, by canonical genotype, with its scores.

    `genes` is the number of genes of a genotype, G; `fields` name the scores.
    """

    def __init__(self, genes: int, fields: tuple[str, ...]):
        self.fields = fields
        self.genotypes = np.zeros((0, genes), np.int32)  # [n, G]
        self.generations = np.zeros((0,), np.int32)  # [n]
        self.scores: dict[str, np.ndarray] = {}  # each [n]
        self._row: dict[tuple, int] = {}

    def __len__(self) -> int:
        return len(self.genotypes)

    @property
    def seen(self) -> set[tuple]:
        """Give the genotypes that need no evaluation."""
        return set(self._row)

    def add(self, genotypes: np.ndarray, generation: int, scores: Mapping[str, np.ndarray]) -> None:
        """Append candidates of a `generation`: genotypes [n, G], scores of `fields`, each [n]."""
        for genotype in genotypes:
            self._row[tuple(genotype.tolist())] = len(self._row)
        self.genotypes = np.concatenate([self.genotypes, genotypes])
        generations = np.full(len(genotypes), generation, np.int32)
        self.generations = np.concatenate([self.generations, generations])
        for name in self.fields:
            old = self.scores.get(name, np.zeros(0, np.float64))
            self.scores[name] = np.concatenate([old, np.asarray(scores[name], np.float64)])

    def scores_of(self, genotypes: np.ndarray) -> dict[str, np.ndarray]:
        """Look up the scores of genotypes evaluated before: [P, G] -> each [P]."""
        rows = [self._row[tuple(genotype.tolist())] for genotype in genotypes]
        return {name: values[rows] for name, values in self.scores.items()}

    def columns(self, space: Genes, **constant: Any) -> dict[str, Any]:
        """Lay the archive out as a table, genes by the choices of `space`.

        `constant` are columns of one value each.
        """
        described = [space.describe(genotype) for genotype in self.genotypes]
        genes = {gene.name: [str(row[gene.name]) for row in described] for gene in space.genes}
        constants = {name: [value] * len(self) for name, value in constant.items()}
        return {
            **constants,
            "generation": self.generations,
            "genotype": self.genotypes.tolist(),
            **genes,
            **self.scores,
        }

    def to_tree(self) -> dict[str, Any]:
        """Return plain arrays for a checkpoint."""
        return {
            "genotypes": self.genotypes,
            "generations": self.generations,
            "scores": dict(self.scores),
        }

    @classmethod
    def from_tree(cls, tree: dict[str, Any], fields: tuple[str, ...]) -> "Archive":
        """Rebuild the archive of a checkpoint, its `tree`, with the scores `fields`."""
        archive = cls(tree["genotypes"].shape[1], fields)
        archive.genotypes, archive.generations = tree["genotypes"], tree["generations"]
        # Checkpoints sort their keys; the order of columns must not depend on a resume.
        archive.scores = {name: tree["scores"][name] for name in fields}
        archive._row = {tuple(row.tolist()): n for n, row in enumerate(archive.genotypes)}
        return archive

    def template(self, count: int) -> dict[str, Any]:
        """Describe the tree of an archive like this one with `count` rows."""
        return {
            "genotypes": np.zeros((count, self.genotypes.shape[1]), np.int32),
            "generations": np.zeros(count, np.int32),
            "scores": {name: np.zeros(count) for name in self.fields},
        }
