"""Time the training of many different networks against common practice.

`python -m benchmarks.population --json`: architectures drawn uniformly from the default space,
images of Fashion-MNIST's size, the same batch for all. Ours; PyTorch one network after another at
its native size; the masked network under plain `vmap`; time-stepped spiking networks; and the
floor: the useful multiply-adds at the rate of a large matrix product in this process. PyTorch and
snnTorch come with the extra `[bench]`; without them those keys are null. `--scaling` measures the
cost of a member for populations of 1 to 512 instead, and draws the figure.
"""

import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.peers import population_naive, population_time_stepped, population_torch
from benchmarks.peers.population_torch import Timing, native, random_images
from search.spaces.convolutional import Space
from search.spaces.registry import make_space
from ttfs_jax.population.program import PopulationConfig, run_members
from ttfs_jax.support.command import run_command
from ttfs_jax.support.devices import use_every_core
from ttfs_jax.support.errors import InputError
from ttfs_jax.training.buckets import BucketTraining
from ttfs_jax.training.recipe import TrainConfig, make_train
from ttfs_jax.training.shapes import draw_variables, make_grid, masked_waste, useful_multiply_adds

BATCH = 128
# Forward, and the two products of the backward pass.
PASSES = 3
SIZES = (1, 8, 64, 256, 512)
FIGURE = Path("docs/figures/population_scaling.png")


@dataclass(frozen=True)
class PopulationArguments:
    """Time population training."""

    architectures: int = 64
    """Architectures, sampled uniformly."""
    steps: int = 16
    """Training steps of one measurement."""
    repeats: int = 3
    """Number of measurements; the median is reported; ours and PyTorch's alternate."""
    naive: int = 4
    """Architectures of the plain `vmap`."""
    time_stepped: int = 4
    """Architectures trained as time-stepped networks."""
    search_steps: int = 5577
    """Steps of a search of realistic length, over which compilation is spread: 13 passes over
    Fashion-MNIST, the default preset."""
    seed: int = 0
    """Seed of the architectures."""
    scaling: bool = False
    """Measure the cost of a member against the size of the population, and draw the figure."""
    json: bool = False
    """Print one JSON line."""


class Ours:
    """The population under test, compiled."""

    def __init__(
        self, space: Space, genotypes: np.ndarray, steps: int, *, chunk: int | None = None
    ):
        self.members, self.steps = len(genotypes), steps
        grid = make_grid(space.spec, *space.grid_choices)
        architectures = jax.vmap(space.decode)(jnp.asarray(genotypes))
        self.waste = masked_waste(grid, architectures)
        self.seeds = np.arange(self.members, dtype=np.uint32)
        recipe = TrainConfig(epochs=100, batch_size=BATCH)
        self.training = BucketTraining(
            grid,
            architectures,
            lambda network, samples: make_train(
                network, recipe, samples=samples, shift=2, flip=True
            ),
            batch_size=BATCH,
            name="benchmark",
            config=PopulationConfig(lanes=1, chunk=chunk),
        )
        fresh = run_members(
            lambda member, _: draw_variables(space.spec, member[0], jax.random.key(member[1])),
            (self.training.architectures, self.seeds),
            (),
        )
        self.states = self.training.start(fresh)
        self.data = random_images(space.spec, BATCH * steps)
        self.seconds()

    def seconds(self) -> float:
        """Train for some steps: the seconds of one step of one member."""
        started = time.perf_counter()
        everyone = np.arange(self.members)
        self.states, _ = self.training.epoch(self.states, everyone, self.seeds, self.data)
        return (time.perf_counter() - started) / (self.members * self.steps)

    @property
    def compile_seconds(self) -> float:
        """Give the time that all programs took to compile."""
        return sum(program.compile_seconds for program in self.training.programs)


def product_rate(size: int = 1024, turns: int = 20) -> float:
    """Measure the multiply-adds per second of a single-precision product on all cores.

    Of two square matrices with an edge of `size`; the best of some `turns`.
    """
    square = jnp.ones((size, size))
    product = jax.jit(jnp.matmul)
    product(square, square).block_until_ready()
    durations = []
    for _ in range(turns):
        started = time.perf_counter()
        product(square, square).block_until_ready()
        durations.append(time.perf_counter() - started)
    return size**3 / min(durations)


def compare_with_peers(arguments: PopulationArguments) -> dict:
    """Measure all sides in this process, as the `arguments` say: JSON values."""
    space = make_space("conv", (28, 28, 1), 10)
    genotypes = np.asarray(space.sample(jax.random.key(arguments.seed), arguments.architectures))
    networks = [native(space, genotype) for genotype in genotypes]
    log = Console(stderr=True).log
    log("compiling")
    ours = Ours(space, genotypes, arguments.steps)
    timing = Timing(batch=BATCH, steps=4, warm_up=2, repeats=1)
    own, layouts = [], {False: [], True: []}
    rates = []
    for turn in range(arguments.repeats):
        log(f"ours and PyTorch, turn {turn + 1}")
        rates.append(product_rate())
        own.append(ours.seconds())
        for channels_last, taken in layouts.items():
            layout = dataclasses.replace(timing, channels_last=channels_last)
            taken.append(_optional(population_torch.seconds_per_step, networks, space.spec, layout))
    step = median(own)
    torch = None
    if all(taken[0] is not None for taken in layouts.values()):
        torch = min((np.median(taken, 0) for taken in layouts.values()), key=np.mean)
    log("time-stepped")
    few = networks[: arguments.time_stepped]
    stepped = _optional(population_time_stepped.seconds_per_step, few, space.spec, timing)
    log("naive vmap")
    naive = population_naive.seconds_per_member_step(
        space, genotypes[: arguments.naive], batch=BATCH, steps=1, repeats=2
    )
    useful = useful_multiply_adds(space.spec, ours.training.architectures).mean()
    floor = PASSES * BATCH * useful / max(rates)
    whole = step + ours.compile_seconds / (arguments.search_steps * arguments.architectures)
    result = {
        "benchmark": "population",
        "cpus": os.cpu_count(),
        "architectures": arguments.architectures,
        "batch": BATCH,
        "step_ms": 1e3 * step,
        "step_ms_each_turn": [1e3 * seconds for seconds in own],
        "arch_steps_per_s": 1 / whole,
        "compile_s": ours.compile_seconds,
        "programs": len(ours.training.programs),
        "masked_waste": ours.waste,
        "naive_vmap_step_ms": 1e3 * naive,
        "ratio_naive_vmap": naive / whole,
        "floor_step_ms": 1e3 * floor,
        "product_gflops": 2e-9 * max(rates),
        "fraction_of_floor": floor / whole,
        "torch_step_ms": None,
        "ratio_torch": None,
        "ratio_time_stepped": None,
    }
    if torch is not None:
        result |= {"torch_step_ms": 1e3 * torch.mean(), "ratio_torch": torch.mean() / whole}
    if torch is not None and stepped is not None:
        # Few networks, so scaled by PyTorch's time for the same ones.
        scaled = np.mean(stepped) / torch[: len(stepped)].mean() * torch.mean()
        result |= {"time_stepped_step_ms": 1e3 * scaled, "ratio_time_stepped": scaled / whole}
    return result


def scaling(arguments: PopulationArguments) -> dict:
    """Measure time and memory of a member in populations of one architecture: JSON values.

    `arguments` give its seed and the measurements of each population; the fastest is reported.
    """
    space = make_space("conv", (28, 28, 1), 10)
    genotype = np.asarray(space.sample(jax.random.key(arguments.seed), 1))
    rows = []
    for size in SIZES:
        ours = Ours(space, genotype.repeat(size, 0), 4, chunk=64)
        program = ours.training.programs[0]
        rows.append(
            {
                "members": size,
                "step_ms": 1e3 * min(ours.seconds() for _ in range(arguments.repeats)),
                "chunk": program.chunk,
                "device_mib": (
                    program.fixed_bytes + program.chunk // program.devices * program.member_bytes
                )
                / 2**20,
            }
        )
    many = [row["step_ms"] for row in rows if row["members"] >= 8]
    return {
        "benchmark": "population scaling",
        "cpus": os.cpu_count(),
        "rows": rows,
        "largest_over_smallest_from_8": max(many) / min(many),
    }


def draw_scaling(rows: list[dict], path: Path) -> None:
    """Draw cost and memory against the number of members.

    `rows` are those of `scaling`, `path` is the picture.
    """
    figure = Figure(figsize=(6, 2.6), layout="constrained")
    cost, memory = figure.subplots(1, 2)
    members = [row["members"] for row in rows]
    cost.plot(members, [row["step_ms"] for row in rows], "o-")
    memory.plot(members, [row["device_mib"] for row in rows], "o-")
    for axes, label in ((cost, "ms per member and step"), (memory, "MiB per device, chunks ≤ 64")):
        axes.set(xscale="log", xlabel="members", ylabel=label, ylim=(0, None))
        axes.set_xticks(members, [str(m) for m in members])
        axes.minorticks_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def _optional(function, *arguments):
    """Return None where the peer is not installed."""
    try:
        return function(*arguments)
    except InputError:
        return None


def measure_population(arguments: PopulationArguments) -> dict:
    """Compare with the peers, or measure populations of several sizes: JSON values.

    `arguments.scaling` says which.
    """
    use_every_core()
    if not arguments.scaling:
        return compare_with_peers(arguments)
    result = scaling(arguments)
    draw_scaling(result["rows"], FIGURE)
    return result


def population_table(result: dict) -> Table:
    """Lay out the result."""
    table = Table(result["benchmark"], "value")
    for name, value in result.items():
        if name != "rows":
            table.add_row(name, f"{value:.3g}" if isinstance(value, float) else str(value))
    for row in result.get("rows", []):
        table.add_row(f"{row['members']} members", f"{row['step_ms']:.2f} ms")
    return table


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line; `arguments` replace those of the command line."""
    run_command(
        "benchmarks.population",
        PopulationArguments,
        measure_population,
        population_table,
        arguments,
        cache=False,
    )


if __name__ == "__main__":
    main()
