"""Training, validation and test samples: as given, by person, or drawn class by class."""

import numpy as np

from ttfs_jax.datasets.eye.clips import split_by_person
from ttfs_jax.datasets.own.faults import DataError
from ttfs_jax.support.errors import InputError

PARTS = ("train", "validation", "test")
SHARE = 5  # one in so many samples of a class, or people, each for test and validation (chosen)


def choose_parts(
    labels: np.ndarray,
    classes: tuple[str, ...],
    parts: np.ndarray | None,
    subjects: np.ndarray | None,
    *,
    seed: int,
) -> dict[str, np.ndarray]:
    """Return the numbers of the samples of each part, shuffled by `seed`.

    `parts` are used if given; without validation among them, one fifth of the training samples is
    taken. Else with `subjects` by person, one fifth of the people each; else one fifth of each
    class. Nobody of `subjects` is in two parts.

    Shapes: labels [N] of `classes`, parts [N] or None, subjects [N] or None -> name -> [n].
    Raises: InputError for a missing part, a person in two parts, too few people or samples, and
    training samples that lack a class.
    """
    if parts is None:
        split = _drawn(labels, classes, subjects, np.arange(len(labels)), PARTS, seed)
    else:
        split = _given(labels, classes, parts, subjects, seed)
    missing = [name for n, name in enumerate(classes) if not (labels[split["train"]] == n).any()]
    if missing:
        raise InputError(
            f"no training sample of class {missing[0]}: add samples, choose another --split-seed, "
            "or give the split yourself"
        )
    return {
        name: np.random.default_rng([seed, number]).permutation(split[name])
        for number, name in enumerate(PARTS)
    }


def faults_of_split(parts: np.ndarray | None, subjects: np.ndarray | None) -> list[str]:
    """List the faults of a given split: unknown or missing parts, people in two of them.

    Shapes: parts [N] or None, subjects [N] or None.
    """
    if parts is None:
        return []
    strange = sorted({str(part) for part in parts} - {*PARTS})
    faults = [f"unknown part {name!r} of the split: use {', '.join(PARTS)}" for name in strange]
    if not strange:
        faults += [
            f"the split has no {name} samples: mark some, or leave the split out"
            for name in ("train", "test")
            if not (parts == name).any()
        ]
    return faults + _people_in_two_parts(parts, subjects)


def _given(labels, classes, parts, subjects, seed) -> dict[str, np.ndarray]:
    if faults := faults_of_split(parts, subjects):
        raise DataError(faults)
    chosen = {name: np.flatnonzero(parts == name) for name in PARTS}
    if not len(chosen["validation"]):
        chosen |= _drawn(labels, classes, subjects, chosen["train"], PARTS[:2], seed)
    return chosen


def _people_in_two_parts(parts: np.ndarray, subjects: np.ndarray | None) -> list[str]:
    faults = []
    for person in () if subjects is None else np.unique(subjects):
        where = [name for name in PARTS if (parts[subjects == person] == name).any()]
        if len(where) > 1:
            faults.append(
                f"subject {person} is in {' and in '.join(where)}: put all samples of a person "
                "into one part, or leave out the subjects if that is meant"
            )
    return faults


def _drawn(labels, classes, subjects, rows, names, seed) -> dict[str, np.ndarray]:
    """Split the samples `rows` into the parts `names`; the first gets the most."""
    if subjects is not None:
        return _by_person(subjects, rows, names, seed)
    part = np.empty(len(rows), int)
    for number, name in enumerate(classes):
        own = np.flatnonzero(labels[rows] == number)
        if len(own) < len(names):
            raise InputError(
                f"class {name} has {len(own)} samples: at least {len(names)} are needed, one for "
                f"each of {', '.join(names)}"
            )
        own = np.random.default_rng([seed, number]).permutation(own)
        few = max(len(own) // SHARE, 1)
        part[own] = np.minimum(np.arange(len(own)) // few, len(names) - 1)
    # Blocks of `few` go to the last parts; the rest is for training.
    return {name: rows[part == len(names) - 1 - number] for number, name in enumerate(names)}


def _by_person(subjects, rows, names, seed) -> dict[str, np.ndarray]:
    people = len(np.unique(subjects[rows]))
    if people < len(names):
        raise InputError(
            f"{people} subjects, or recordings, cannot be split into {', '.join(names)}: at least "
            f"{len(names)} are needed, or give the split"
        )
    dealt = split_by_person(subjects[rows], parts=min(people, SHARE), seed=seed)
    split = {name: rows[dealt == number] for number, name in enumerate(reversed(names[1:]))}
    return {names[0]: rows[dealt >= len(names) - 1]} | split
