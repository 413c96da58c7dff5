"""The takes of a simulated eye data set: people, lights, emotions, lengths, split, names."""

from dataclasses import dataclass

import numpy as np

from ttfs_jax.datasets.eye.face import LIGHTS
from ttfs_jax.datasets.eye.motion import EMOTIONS
from ttfs_jax.support.ranges import check_seed, check_whole

# Counts of SEE, Zhang et al. 2023 (arXiv:2310.04043): people, sequences, test sequences; the
# people of each light and the sequences of each emotion and subset as far as they are public.
SUBJECTS, SEQUENCES, TEST_SEQUENCES = 111, 2405, 767
LIGHT_SUBJECTS = {"normal": 44, "Overexposed": 22, "Low": 21, "HDR": 20}
EMOTION_SHARES = {
    "angry": 338,
    "disgust": 341,
    "fear": 330,
    "happiness": 280,
    "neutral": 306,
    "sadness": 340,
    "surprise": 336,
}
FEWEST_SUBJECTS, MOST_SUBJECTS = 8, 10_000  # fewer leave one of the lights out
SHORTEST, LONGEST, MEAN_LENGTH, LENGTH_SPREAD = 18, 131, 53.5, 15.2
DEGREES = ("undergraduate", "Master", "Doctor")


@dataclass(frozen=True)
class Take:
    """One sequence of the data set."""

    name: str  # nine fields, as in SEE
    subject: int  # number of the person, from 1
    emotion: str  # class of the sequence
    light: str  # one of `face.LIGHTS`
    length: int  # frames
    training: bool  # whether it is in the training part of the official split


def plan_takes(*, seed: int, subjects: int = SUBJECTS) -> list[Take]:
    """Plan the takes of a data set in the proportions of SEE.

    The number of sequences grows with the number of subjects; each has one light, and most appear
    in both parts of the split, as in SEE's own.
    Raises: InputError for a seed outside 0 … 2³² − 1, or subjects outside 8 … 10,000.
    """
    check_seed("seed", seed)
    check_whole("subjects", subjects, FEWEST_SUBJECTS, MOST_SUBJECTS)
    generator = np.random.default_rng([seed, 0])
    count = round(SEQUENCES * subjects / SUBJECTS)
    weights = np.array([LIGHT_SUBJECTS[light] for light in LIGHTS], float)
    lights = np.repeat(np.arange(len(LIGHTS)), _apportion(weights, subjects))
    generator.shuffle(lights)
    emotions = np.repeat(
        np.arange(len(EMOTIONS)),
        _apportion(np.array([EMOTION_SHARES[e] for e in EMOTIONS], float), count),
    )
    generator.shuffle(emotions)
    people = np.sort(np.arange(count) % subjects)
    lengths = np.rint(generator.normal(MEAN_LENGTH, LENGTH_SPREAD, count))
    lengths = np.clip(lengths, SHORTEST, LONGEST).astype(int)
    training = np.ones(count, bool)
    training[generator.permutation(count)[: round(count * TEST_SEQUENCES / SEQUENCES)]] = False
    persons = [
        (
            generator.choice(["man", "woman"]),
            generator.integers(19, 45),
            generator.choice(DEGREES),
        )
        for _ in range(subjects)
    ]
    numbers: dict[tuple[int, int], int] = {}
    takes = []
    for n in range(count):
        person, emotion = int(people[n]), int(emotions[n])
        number = numbers[person, emotion] = numbers.get((person, emotion), -1) + 1
        sex, age, degree = persons[person]
        light = LIGHTS[lights[person]]
        name = (
            f"{n + 1}_{person + 1:03d}_{sex}_{age}_{degree}_{light}_{EMOTIONS[emotion]}"
            f"_{lengths[n]}_take{number:03d}"
        )
        takes.append(
            Take(name, person + 1, EMOTIONS[emotion], light, int(lengths[n]), bool(training[n]))
        )
    return takes


def _apportion(weights: np.ndarray, total: int) -> np.ndarray:
    """Split a total in proportion to weights, by largest remainders."""
    exact = weights / weights.sum() * total
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return counts
