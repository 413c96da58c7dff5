"""The loop of ask, evaluate and tell, resumable after every generation."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from search.loop.algorithms import Algorithm
from search.loop.archive import Archive
from search.loop.genes import Genes
from search.loop.goal import Goal
from search.loop.progress import Bar
from search.loop.run_directory import RunDirectory

# Genotypes [n, G] -> scores by name, each [n].
Evaluate = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def run_generations(
    name: str,
    algorithm: Algorithm,
    space: Genes,
    evaluate: Evaluate,
    *,
    goal: Goal,
    fields: tuple[str, ...],
    generations: int,
    budget: int | None = None,
    seed: int,
    directory: RunDirectory,
    bar: Bar,
    on_generation: Callable[[Archive], None],
) -> Archive:
    """Search for `generations`, or until `budget` distinct networks have been evaluated.

    Genotypes are canonical (`Genes.canonical`), and none is evaluated twice: an algorithm over
    genotypes proposes fresh ones, a continuous one receives the scores already known. `evaluate`
    gets those that are new [n, G], n ≤ P, and gives the scores named in `fields`, each [n]. `goal`
    turns these into what the algorithm receives. `on_generation(archive)` is called after each, and
    the `bar` shows the progress. `name` is that of the search, `space` defines the genotypes. The
    state is saved in `directory` after every generation, and the randomness of a generation depends
    only on the seed and its number.
    """
    key = jax.random.key(seed)
    state = algorithm.init(jax.random.fold_in(key, 0))
    archive, first = Archive(len(space.genes), fields), 0
    path = directory.checkpoint(name)
    if checkpoint := _restore(path, state, archive, directory):
        state, archive, first = checkpoint
        bar.advance(len(archive))
    for generation in range(first, generations):
        if budget is not None and len(archive) >= budget:
            break
        key_ask, key_fresh, key_tell = jax.random.split(jax.random.fold_in(key, generation + 1), 3)
        proposals, genotypes, state = _propose(algorithm, key_ask, key_fresh, state, archive)
        new = _unseen(genotypes, archive, budget)
        if len(new):
            archive.add(new, generation, evaluate(new))
        if budget is None or len(archive) < budget:
            fitness = jnp.asarray(goal.judge(archive.scores_of(genotypes)), jnp.float32)
            state = algorithm.tell(key_tell, state, proposals, jnp.asarray(genotypes), fitness)
        tree = {"state": state, "archive": archive.to_tree()}
        directory.save(path, tree, meta={"generation": generation + 1, "rows": len(archive)})
        on_generation(archive)
        note = goal.describe(archive)
        bar.advance(len(new), note=f"generation {generation + 1}, {note}")
        directory.log.info("%s generation %d: %s", name, generation + 1, note)
    return archive


def _restore(
    path, state: Any, archive: Archive, directory: RunDirectory
) -> tuple[Any, Archive, int] | None:
    """Return state, archive and number of the next generation of a checkpoint, if there is one."""

    def template(meta):
        return {"state": state, "archive": archive.template(meta["rows"])}

    if (checkpoint := directory.restore(path, template)) is None:
        return None
    tree, meta = checkpoint
    plain = jax.tree.map(np.asarray, tree["archive"])
    return tree["state"], Archive.from_tree(plain, archive.fields), meta["generation"]


def _propose(
    algorithm: Algorithm, key_ask: jax.Array, key_fresh: jax.Array, state: Any, archive: Archive
) -> tuple[jax.Array, np.ndarray, Any]:
    """Ask for proposals, the genotypes [P, G] that they stand for, and the state."""
    proposals, genotypes, state = algorithm.ask(key_ask, state)
    genotypes = np.asarray(genotypes)
    if algorithm.unique:
        genotypes = np.asarray(algorithm.fresh(key_fresh, genotypes, archive.seen))
        proposals = jnp.asarray(genotypes)
    return proposals, genotypes, state


def _unseen(genotypes: np.ndarray, archive: Archive, budget: int | None) -> np.ndarray:
    """Keep the genotypes to evaluate, each once, within the budget: [n, G]."""
    seen = archive.seen
    new = [g for g in dict.fromkeys(map(tuple, genotypes.tolist())) if g not in seen]
    if budget is not None:
        new = new[: budget - len(archive)]
    return np.asarray(new, np.int32)
