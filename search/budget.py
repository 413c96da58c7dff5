"""How long to search and train: budgets, and those that follow from the size of the data."""

from math import ceil, prod
from typing import NamedTuple

from ttfs_jax.datasets import Dataset
from ttfs_jax.training.recipe import TrainConfig


class Budget(NamedTuple):
    """What a preset says of a run in a space of convolutional networks."""

    supernet_epochs: int
    """Passes over the images of the supernet."""
    epochs: int
    """Of retraining."""
    fine_epochs: int
    """Of fine-tuning in spike times."""
    population: int
    """Architectures per generation."""
    generations: int
    """Generations of the search."""
    top: int
    """Networks retrained of each search."""
    supernet_batch: int
    """Images in a batch of the supernet."""
    batch: int
    """Images in a batch of retraining."""
    penalty: float
    """Activity penalty of retraining."""
    space: str
    """Name of the search space."""
    learning_rate: float = TrainConfig.learning_rate
    """Of retraining."""
    waste: float = 1.0
    """Of masked channels that a bucket of the population may compute."""
    chip_passes: int = 1
    """Times as many epochs in `--space xylo`."""
    largest_batch: int = 2**31 - 1
    """Most images of a batch in `--space xylo`."""


class Size(NamedTuple):
    """How large a data set is."""

    images: int
    """Of training."""
    shape: tuple[int, int, int]
    """Height, width and channels."""


TYPICAL = Size(images=10_000, shape=(28, 28, 1))  # for --help, before the data are known

# Steps of retraining; population, generations and networks retrained. About the steps that the
# built-in sets take by their tables: digits 102, 1,010 and 3,400; Fashion-MNIST 430, 4,700 and
# 10,700, whose images are 50 times as many.
STEPS = {
    "smoke": (100, 8, 3, 2),
    "default": (2_000, 24, 10, 4),
    "full": (8_000, 64, 30, 8),
}
# More passes than these over the same images no longer help, and fewer leave images unseen.
MOST_PASSES = {"smoke": 10, "default": 60, "full": 200}
FEWEST_PASSES = {"smoke": 1, "default": 4, "full": 12}
FINE_SHARE = 0.2  # fine-tuning goes on from a converted network: a fifth of the epochs
LARGEST_BATCH = 64
FEWEST_STEPS = 8  # of a pass: batches of small sets are smaller, so that there are steps at all
SMALLEST_BATCH = 4  # one image for each of the supernet's four paths
LARGE_IMAGE = 2_000  # values of an image beyond which `conv` takes minutes an epoch on two cores
FEW_IMAGES = 3_000  # below which a pass has so few steps that the chip's training takes more


def data_size(data: Dataset) -> Size:
    """Tell the size of a data set."""
    return Size(len(data.train.labels), data.image_shape)


def budget_of(size: Size, name: str) -> Budget:
    """Return the budget of the preset `name` for data of that `size`.

    The number of steps is that of the preset; passes = steps · batch / images, within bounds. The
    batch is the largest power of two, up to 64, that leaves eight steps a pass. Large images are
    searched in narrow networks (`conv-small`) unless the preset is `full`.
    """
    steps, population, generations, top = STEPS[name]
    batch = LARGEST_BATCH
    while batch > SMALLEST_BATCH and batch * FEWEST_STEPS > size.images:
        batch //= 2
    passes = ceil(steps * batch / size.images)
    epochs = min(max(passes, FEWEST_PASSES[name]), MOST_PASSES[name])
    large = prod(size.shape) > LARGE_IMAGE and name != "full"
    return Budget(
        supernet_epochs=epochs,
        epochs=epochs,
        fine_epochs=max(round(FINE_SHARE * epochs), 1),
        population=population,
        generations=generations,
        top=top,
        supernet_batch=min(4 * batch, size.images) // SMALLEST_BATCH * SMALLEST_BATCH or batch,
        batch=batch,
        penalty=0.1,
        space="conv-small" if large else "conv",
        waste=0.05 if name == "full" else 1.0,
        chip_passes=6 if size.images < FEW_IMAGES else 1,
        largest_batch=batch,
    )
