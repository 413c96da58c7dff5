"""Stage 2 of a run: the loop of ask, evaluate and tell, resumable after every generation."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from search.loop.algorithms import Algorithm
from search.loop.archive import Archive
from search.loop.genes import Genes
from search.loop.progress import Bar
from search.loop.run_directory import RunDirectory


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
    fields: tuple[str, ...],
    budget: int | None = None,
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
