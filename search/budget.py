"""Budgets of search and training, including those that follow from the size of the data."""

from math import ceil, prod
from typing import NamedTuple

from search.preset_tables import SIZED_SCHEDULES, WASTE_OF_FULL, DataTraits, Schedule
from ttfs_jax.datasets import Dataset


class Budget(NamedTuple):
    """The settings of a preset for some data."""

    schedule: Schedule
    """How long it searches and trains."""
    traits: DataTraits
    """Settings that the data determine."""
    largest_batch: int = 2**31 - 1
    """Most samples of a batch in `--space xylo`."""


class Size(NamedTuple):
    """How large a data set is."""

    images: int
    """Of training."""
    shape: tuple[int, int, int]
    """Height, width and channels."""


TYPICAL = Size(images=10_000, shape=(28, 28, 1))  # for --help, before the data are read

FINE_SHARE = 0.2  # fine-tuning continues from a converted network: a fifth of the epochs
LARGEST_BATCH = 64
FEWEST_STEPS = 8  # per pass: small sets get smaller batches
SMALLEST_BATCH = 4  # one image for each of the supernet's four paths
LARGE_IMAGE = 2_000  # values of an image above which `conv` takes minutes per epoch on two cores
FEW_IMAGES = 3_000  # below which a pass has so few steps that the chip's training takes more


def data_size(data: Dataset) -> Size:
    """Return the size of a data set."""
    return Size(len(data.train.labels), data.image_shape)


def budget_of(size: Size, name: str) -> Budget:
    """Return the budget of the preset `name` for data of that `size`.

    The number of steps is that of the preset; passes = steps · batch / images, within bounds. The
    batch is the largest power of two, up to 64, that leaves eight steps per pass. Large images are
    searched in narrow networks (`conv-small`) unless the preset is `full`.
    """
    sized, batch = SIZED_SCHEDULES[name], LARGEST_BATCH
    while batch > SMALLEST_BATCH and batch * FEWEST_STEPS > size.images:
        batch //= 2
    passes = ceil(sized.steps * batch / size.images)
    epochs = min(max(passes, sized.fewest_passes), sized.most_passes)
    large = prod(size.shape) > LARGE_IMAGE and name != "full"
    schedule = Schedule(
        supernet_epochs=epochs,
        retrain_epochs=epochs,
        fine_tune_epochs=max(round(FINE_SHARE * epochs), 1),
        population=sized.population,
        generations=sized.generations,
        top=sized.top,
        why=sized.why,
        space="conv-small" if large else "conv",
    )
    shared = min(4 * batch, size.images) // SMALLEST_BATCH * SMALLEST_BATCH or batch
    traits = DataTraits(
        supernet_batch=shared,
        batch=batch,
        activity_penalty=0.1,
        waste=WASTE_OF_FULL if name == "full" else 1.0,
        chip_passes=6 if size.images < FEW_IMAGES else 1,
        why="of the number of images",
    )
    return Budget(schedule, traits, largest_batch=batch)
