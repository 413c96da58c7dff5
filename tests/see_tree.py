"""A small data set in the layout of SEE, to be broken."""

import json

import numpy as np
from PIL import Image

from ttfs_jax.datasets.eye.frames import load_frames, to_levels
from ttfs_jax.datasets.eye.see import read_index

LABELS = ["angry", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]


def name_of(number, emotion, length=3):
    return f"{number}_{number:03d}_man_24_Master_normal_{emotion}_{length}_take000"


def make_tree(root, people=3):
    """Write a small sound data set by hand, a sequence a person, and return its root."""
    database = {}
    generator = np.random.default_rng(0)
    for number in range(1, people + 1):
        emotion = ("angry", "neutral", "fear")[(number - 1) % 3]
        name = name_of(number, emotion)
        folder = root / "event" / emotion / name
        folder.mkdir(parents=True)
        for n in range(3):
            events = generator.choice([-1, 0, 1], (16, 16)).astype(np.int8)
            Image.fromarray(to_levels(events)).save(folder / f"{n:05d}.jpg", quality=95)
        annotations = {"label": emotion, "segment": [0, 3]}
        database[name] = {"subset": "training", "annotations": annotations}
    write_json(root, database)
    return root


def write_json(root, database):
    (root / "emotion.json").write_text(json.dumps({"labels": LABELS, "database": database}))


def database_of(root):
    return json.loads((root / "emotion.json").read_text())["database"]


def sequences(root, cache=None):
    index = read_index(root)
    problems = list(index.problems)
    if cache is not None:
        problems += load_frames(index, cache=cache).problems
    return {s.name: len(s.files) for s in index.sequences}, problems
