"""Stage 2 of a run: the loop of ask, evaluate and tell, resumable after every generation."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from search.algorithms import Algorithm
from search.fitness import Scores
from search.progress import Bar
from search.run_directory import RunDirectory
from search.space import Genes


class Archive:
    """Every distinct network evaluated so far, in order, by canonical genotype, with its scores."""

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

    def add(self, genotypes: np.ndarray, generation: int, scores: Any) -> None:
        """Append evaluated candidates: genotypes [n, G], scores each [n]."""
        for genotype in genotypes:
            self._row[tuple(genotype.tolist())] = len(self._row)
        self.genotypes = np.concatenate([self.genotypes, genotypes])
        generations = np.full(len(genotypes), generation, np.int32)
        self.generations = np.concatenate([self.generations, generations])
        for name, values in vars(scores).items():
            old = self.scores.get(name, np.zeros(0, np.float64))
            self.scores[name] = np.concatenate([old, np.asarray(values, np.float64)])

    def scores_of(self, genotypes: np.ndarray) -> dict[str, np.ndarray]:
        """Look up the scores of genotypes evaluated before: [P, G] -> each [P]."""
        rows = [self._row[tuple(genotype.tolist())] for genotype in genotypes]
        return {name: values[rows] for name, values in self.scores.items()}

    def best(self, count: int) -> np.ndarray:
        """Return the fittest genotypes, best first: [count, G]; NaN counts as worst."""
        fitness = np.nan_to_num(self.scores["fitness"], nan=-np.inf, posinf=-np.inf)
        return self.genotypes[np.argsort(-fitness, kind="stable")[:count]]

    def columns(self, space: Genes, **constant: Any) -> dict[str, Any]:
        """Lay the archive out as a table."""
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
        """Rebuild the archive of a checkpoint."""
        archive = cls(tree["genotypes"].shape[1], fields)
        archive.genotypes, archive.generations = tree["genotypes"], tree["generations"]
        # Checkpoints sort their keys; the order of columns must not depend on a resume.
        archive.scores = {name: tree["scores"][name] for name in fields}
        archive._row = {tuple(row.tolist()): n for n, row in enumerate(archive.genotypes)}
        return archive

    def template(self, count: int) -> dict[str, Any]:
        """Describe the tree of an archive like this one with that many rows."""
        return {
            "genotypes": np.zeros((count, self.genotypes.shape[1]), np.int32),
            "generations": np.zeros(count, np.int32),
            "scores": {name: np.zeros(count) for name in self.fields},
        }


def best_fitness(archive: Archive) -> str:
    """Say how fit the fittest is."""
    return f"best fitness {np.nanmax(archive.scores['fitness'], initial=-np.inf):.5f}"


def run(
    name: str,
    algorithm: Algorithm,
    space: Genes,
    evaluate: Callable[[np.ndarray], Any],
    *,
    generations: int,
    seed: int,
    directory: RunDirectory,
    bar: Bar,
    on_generation: Callable[[Archive], None],
    budget: int | None = None,
    fields: tuple[str, ...] = tuple(Scores.__dataclass_fields__),
    judge: Callable[[dict[str, np.ndarray]], np.ndarray] = itemgetter("fitness"),
    describe: Callable[[Archive], str] = best_fitness,
) -> Archive:
    """Search for `generations`, or until `budget` distinct networks have been evaluated.

    Genotypes are canonical (`Genes.canonical`), and none is evaluated twice: an algorithm over
    genotypes proposes fresh ones, a continuous one is told the fitness already known. `evaluate`
    gets those that are new [n, G], n ≤ P, and gives an object with the `fields` as attributes,
    each [n]. `judge(scores)` makes of these what the algorithm is told: fitness [P], or [P, M + 1]
    for several objectives. `describe(archive)` says on the `bar` how it goes, and
    `on_generation(archive)` is called, after each. The state is saved in `directory` after every
    generation, and the randomness of a generation depends on the seed and its number only.
    """
    path = directory.checkpoint(name)
    key = jax.random.key(seed)
    state = algorithm.init(jax.random.fold_in(key, 0))
    archive, first = Archive(len(space.genes), fields), 0

    def template(meta):
        return {"state": state, "archive": archive.template(meta["rows"])}

    if found := directory.restore(path, template):
        tree, meta = found
        state, first = tree["state"], meta["generation"]
        archive = Archive.from_tree(jax.tree.map(np.asarray, tree["archive"]), fields)
        bar.advance(len(archive))
    for generation in range(first, generations):
        if budget is not None and len(archive) >= budget:
            break
        key_ask, key_fresh, key_tell = jax.random.split(jax.random.fold_in(key, generation + 1), 3)
        proposals, genotypes, state = algorithm.ask(key_ask, state)
        genotypes = np.asarray(genotypes)
        if algorithm.unique:
            genotypes = np.asarray(algorithm.fresh(key_fresh, genotypes, archive.seen))
            proposals = jnp.asarray(genotypes)
        seen = archive.seen
        new = [g for g in dict.fromkeys(map(tuple, genotypes.tolist())) if g not in seen]
        if budget is not None:
            new = new[: budget - len(archive)]
        if new:
            chosen = np.asarray(new, np.int32)
            archive.add(chosen, generation, jax.tree.map(np.asarray, evaluate(chosen)))
        if budget is None or len(archive) < budget:
            fitness = jnp.asarray(judge(archive.scores_of(genotypes)), jnp.float32)
            state = algorithm.tell(key_tell, state, proposals, jnp.asarray(genotypes), fitness)
        tree = {"state": state, "archive": archive.to_tree()}
        meta = {"generation": generation + 1, "rows": len(archive)}
        directory.save(path, tree, meta=meta)
        on_generation(archive)
        note = describe(archive)
        bar.advance(len(new), note=f"generation {generation + 1}, {note}")
        directory.log.info("%s generation %d: %s", name, generation + 1, note)
    return archive
