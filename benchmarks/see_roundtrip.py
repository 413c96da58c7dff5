"""Write a simulated set as SEE and read it back: `python -m benchmarks.see_roundtrip`.

The full set has 2,405 sequences of 90 pixels; a folder that holds a set already is only read.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from ttfs_jax.datasets import make_eye
from ttfs_jax.datasets.eye import see
from ttfs_jax.datasets.eye.plan import (
    EMOTION_SHARES,
    LIGHT_SUBJECTS,
    SEQUENCES,
    SUBJECTS,
    TEST_SEQUENCES,
    plan_takes,
)
from ttfs_jax.datasets.eye.recordings import read_see
from ttfs_jax.datasets.eye.simulated import record
from ttfs_jax.support.command import run_command
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.memory import peak_memory
from ttfs_jax.support.ranges import check_whole

MOST_TAKES = 1_000_000


@dataclass(frozen=True)
class RoundtripArguments:
    """Check that a simulated set survives SEE's layout, and what the loader costs."""

    out: Path
    """Folder of the set; written if it is missing or empty."""
    cache: Path
    """Folder of the decoded frames."""
    seed: int = 0
    """Seed of the set."""
    subjects: int = SUBJECTS
    """People."""
    size: int = 90
    """Edge of the frames in pixels."""
    sample: int = 60
    """Takes that are simulated again and compared, evenly spread."""
    read_only: bool = False
    """Only read the set, and report time and memory (used for a separate process)."""
    json: bool = False
    """Print one JSON line."""


def read_set(out: Path, cache: Path, size: int) -> dict[str, float]:
    """Read the set: seconds, and the largest memory of this process so far in GiB.

    `out` is the set's folder, `cache` that of decoded frames, `size` their edge in pixels.
    """
    started = time.perf_counter()
    read_see(out, size=size, cache=cache)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_gib": peak_memory() / 2**30}


def read_apart(arguments: RoundtripArguments) -> dict[str, float]:
    """Read the set that the `arguments` name in a fresh process: what `read_set` returns."""
    out, cache, size = arguments.out, arguments.cache, arguments.size
    options = [f"--out={out}", f"--cache={cache}", f"--size={size}", "--read-only", "--json"]
    command = [sys.executable, "-m", "benchmarks.see_roundtrip", *options]
    process = subprocess.run(command, check=False, capture_output=True, text=True)
    if process.returncode:
        raise InputError(process.stderr.strip().rpartition("\n")[2].removeprefix("error: "))
    return json.loads(process.stdout)


def proportions(index: see.Index) -> dict[str, float]:
    """Compare the set with SEE's counts: largest relative deviation of each kind of share.

    `index` lists its sequences.
    """
    sequences, people = index.sequences, {s.subject: s.light for s in index.sequences}
    emotions = Counter(index.classes[s.label] for s in sequences)
    lights = Counter(people.values())

    def furthest(counts, published):
        ours, theirs = sum(counts.values()), sum(published.values())
        return max(abs(counts[k] / ours * theirs / n - 1) for k, n in published.items())

    testing = sum(not s.training for s in sequences) / len(sequences)
    return {
        "emotion_deviation": furthest(emotions, EMOTION_SHARES),
        "light_deviation": furthest(lights, LIGHT_SUBJECTS),
        "test_deviation": abs(testing * SEQUENCES / TEST_SEQUENCES - 1),
    }


def measure_roundtrip(arguments: RoundtripArguments) -> dict:
    """Write, read twice and compare the set that the `arguments` ask for: JSON values."""
    if arguments.read_only:
        return read_set(arguments.out, arguments.cache, arguments.size)
    check_whole("--sample", arguments.sample, 1, MOST_TAKES)
    Console(stderr=True).print("writing and reading; the full set takes some minutes")
    result: dict = {"benchmark": "see_roundtrip", "dataset": "simulated eye data"}
    if not arguments.out.exists() or not any(arguments.out.iterdir()):
        started = time.perf_counter()
        make_eye.write_eye(
            arguments.out, seed=arguments.seed, subjects=arguments.subjects, size=arguments.size
        )
        result["write_seconds"] = time.perf_counter() - started
    for name in ("first_read", "second_read"):
        result |= {f"{name}_{key}": value for key, value in read_apart(arguments).items()}
    whole = read_see(arguments.out, size=arguments.size, cache=arguments.cache)
    index = see.read_index(arguments.out)
    plan = plan_takes(seed=arguments.seed, subjects=arguments.subjects)
    place = {sequence.name: n for n, sequence in enumerate(index.sequences)}
    same = []
    for number in np.linspace(0, len(plan) - 1, arguments.sample).astype(int):
        n = place[plan[number].name]
        ours = whole.events[whole.starts[n] : whole.starts[n + 1]]
        again = record(plan[number], int(number), seed=arguments.seed, size=arguments.size)
        same.append(np.array_equal(ours, again.events))
    return result | {
        "sequences": len(index.sequences),
        "frames": len(whole.events),
        "problems": len(whole.problems),
        "takes_compared": len(same),
        "takes_equal": int(sum(same)),
        **proportions(index),
    }


def roundtrip_table(result: dict) -> Table:
    """Lay out the result."""
    table = Table("figure", "value", title="simulated eye data in the layout of SEE")
    for name, value in result.items():
        table.add_row(name, f"{value:,.3f}" if isinstance(value, float) else str(value))
    return table


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line; `arguments` replace those of the command line."""
    run_command(
        "benchmarks.see_roundtrip",
        RoundtripArguments,
        measure_roundtrip,
        roundtrip_table,
        arguments,
    )


if __name__ == "__main__":
    main()
