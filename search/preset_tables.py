"""The tables behind the presets, with units and reasons. `docs/search.md` has them.

Counts are in passes over the training data (epochs), images or samples per step, architectures and
networks. All were chosen for this project: `smoke` to see that a run works, `default` for a first
result, `full` for the best one.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Schedule(NamedTuple):
    """How long a run in a space of convolutional networks searches and trains."""

    supernet_epochs: int
    """Passes of the shared weights."""
    retrain_epochs: int
    """Passes of the best networks as ReLU twins."""
    fine_tune_epochs: int
    """Passes of them in spike times."""
    population: int
    """Architectures per generation."""
    generations: int
    """Generations of the search."""
    top: int
    """Networks retrained of each search."""
    why: str
    """Reason for these numbers."""
    space: str = "conv"
    """Search space."""
    learning_rate: float = 3e-3
    """Peak of retraining."""


class DataTraits(NamedTuple):
    """What a data set asks of its trainings, whatever the preset."""

    supernet_batch: int
    """Images per step of the supernet, shared out among four paths."""
    batch: int
    """Images per step of retraining and fine-tuning."""
    activity_penalty: float
    """Weight of the mean activation in the loss of retraining."""
    waste: float
    """Share of masked channels up to which networks share a program; `full` has 0.05."""
    chip_passes: int
    """Times as many epochs in `--space xylo`."""
    why: str
    """Reason for these numbers."""


class ChipSchedule(NamedTuple):
    """How long a run in `--space xylo` searches and trains, before `chip_passes`."""

    generations: int
    """Generations of the search."""
    population: int
    """Architectures per generation."""
    train_epochs: int
    """Passes of a native candidate through the core."""
    retrain_epochs: int
    """Passes of native networks of the front."""
    relu_epochs: int
    """Passes of the ReLU network of an exact candidate."""
    relu_retrain_epochs: int
    """Passes of those of the front."""
    why: str
    """Reason for these numbers."""


class SizedSchedule(NamedTuple):
    """How long a run on data without a row of their own searches and trains."""

    steps: int
    """Steps of retraining: passes follow from the number of images, within bounds."""
    fewest_passes: int
    """Passes at least: fewer leave images unseen."""
    most_passes: int
    """Passes at most: more over the same images no longer help."""
    population: int
    """Architectures per generation."""
    generations: int
    """Generations of the search."""
    top: int
    """Networks retrained of each search."""
    why: str
    """Reason for these numbers."""


WASTE_OF_FULL = 0.05  # long runs repay the time that more programs take to compile
SMOKE = "every stage runs, and little more"
SCHEDULES = {
    ("eye", "smoke"): Schedule(4, 4, 1, 8, 3, 2, SMOKE, space="conv-small"),
    ("eye", "default"): Schedule(
        *(16, 12, 3, 24, 10, 4),
        "large images, of many channels: narrow networks train faster",
        space="conv-small",
    ),
    ("eye", "full"): Schedule(60, 60, 12, 64, 30, 8, "as many passes as still help"),
    ("see", "smoke"): Schedule(2, 2, 1, 8, 3, 2, SMOKE),
    ("see", "default"): Schedule(16, 16, 4, 24, 10, 4, "wider networks than `eye`: more passes"),
    ("see", "full"): Schedule(60, 60, 12, 64, 30, 8, "as many passes as still help"),
    ("digits", "smoke"): Schedule(6, 6, 2, 8, 3, 2, SMOKE),
    ("digits", "default"): Schedule(60, 60, 15, 24, 10, 4, "1,077 images: many passes are short"),
    ("digits", "full"): Schedule(200, 200, 40, 64, 30, 8, "3,400 steps, as few as passes allow"),
    ("fashion-mnist", "smoke"): Schedule(1, 1, 1, 8, 3, 2, SMOKE),
    ("fashion-mnist", "default"): Schedule(
        8, 11, 2, 20, 10, 1, "55,000 images: few passes, and one network retrained"
    ),
    ("fashion-mnist", "full"): Schedule(
        *(20, 25, 6, 64, 15, 1),
        "one deep network, by a higher rate than the usual 0.003",
        space="conv-deep",
        learning_rate=1e-2,
    ),
}
TRAITS = {
    "eye": DataTraits(256, 64, 0.1, 1.0, 1, "64 images a path, as in retraining"),
    "see": DataTraits(256, 64, 0.1, 1.0, 1, "64 images a path, as in retraining"),
    "digits": DataTraits(128, 64, 0.1, 1.0, 6, "16 steps a pass only: the chip takes more passes"),
    "fashion-mnist": DataTraits(
        256, 128, 0.25, 0.05, 1, "much to train: more programs pay off, and fewer spikes matter"
    ),
}
CHIP_SCHEDULES = {
    "smoke": ChipSchedule(3, 8, 1, 2, 2, 4, SMOKE),
    "default": ChipSchedule(
        10, 16, 3, 20, 10, 60, "a pass of a ReLU network runs no time steps: more of them"
    ),
    "full": ChipSchedule(20, 48, 6, 60, 20, 120, "six times the candidates, longer trained"),
}
# About the steps that the built-in sets take by their rows: digits 102, 1,010 and 3,400;
# Fashion-MNIST 430, 4,700 and 10,700, whose images are 50 times as many.
SIZED_SCHEDULES = {
    "smoke": SizedSchedule(100, 1, 10, 8, 3, 2, SMOKE),
    "default": SizedSchedule(2_000, 4, 60, 24, 10, 4, "between digits and Fashion-MNIST"),
    "full": SizedSchedule(8_000, 12, 200, 64, 30, 8, "between digits and Fashion-MNIST"),
}


def markdown(title: str, rows: Mapping[Any, Any]) -> str:
    """Lay out `rows`, a table above, in Markdown; `title` heads the column of the keys."""
    kind = type(next(iter(rows.values())))
    heads = (title, *(name.replace("_", " ") for name in kind._fields))
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for key, row in rows.items():
        name = " ".join(key) if isinstance(key, tuple) else key
        lines.append(f"| {' | '.join([f'`{name}`', *map(str, row)])} |")
    return "\n".join(lines)


TABLES = {
    "data and preset": SCHEDULES,
    "data": TRAITS,
    "preset, `--space xylo`": CHIP_SCHEDULES,
    "preset, own data": SIZED_SCHEDULES,
}
