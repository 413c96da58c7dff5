"""Time and memory of the solvers: `python -m benchmarks.solvers --json`.

Each solver against plain automatic differentiation of its textbook form, and against the dense
ReLU layer of the same size, in turn in the same run. A model with a causal set goes through its
batch as `ttfs_jax.population` does (one sample after another on a CPU), the textbook form under
`jax.vmap`, and with it the solver once more (keys `vmap_…`).
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.peers.textbook_solvers import TEXTBOOK
from ttfs_jax import spike_time
from ttfs_jax.population.program import map_members
from ttfs_jax.support.command import run_command

SIZES = ((64, 784, 400), (128, 128, 128))
RATIO = {"tau_mem": 3.0, "tau_syn": 1.0}
SEARCHED: dict[str, Callable] = {
    "non_leaky": spike_time.non_leaky,
    "lif_equal": spike_time.lif_equal,
    "lif_double": spike_time.lif_double,
    "lif": partial(spike_time.lif, **RATIO),
    "lif_event_prop": partial(spike_time.lif_event_prop, **RATIO),
    "linear_psp": spike_time.linear_psp,
}
WINDOWED: dict[str, Callable] = {
    "linear_threshold": partial(spike_time.linear_threshold, window=2.0),
    "exponential_threshold": spike_time.exponential_threshold,
    "constant_slope": lambda times, weights: spike_time.constant_slope(
        times,
        weights,
        bias=jnp.zeros(weights.shape[1]),
        window_in=jnp.asarray(2.0),
        window_out=jnp.asarray(2.0),
    ),
}


@dataclass(frozen=True)
class SolversArguments:
    """Time the spike-time solvers against their textbook forms and a ReLU layer."""

    seconds: float = 4.0
    """Seconds spent on each comparison, at least two turns each."""
    models: tuple[str, ...] = (*SEARCHED, *WINDOWED)
    """Models to time."""
    json: bool = False
    """Print one JSON line."""


def some_layer(batch: int, inputs: int, outputs: int):
    """Draw input times [B, I] within 0 … 2 and weights [I, O] that make most neurons fire.

    `batch`, `inputs` and `outputs` are B, I and O.
    """
    draw = np.random.default_rng(0)
    times = draw.uniform(0.0, 2.0, (batch, inputs))
    weights = draw.normal(6.0 / inputs, 1.5 / inputs**0.5, (inputs, outputs))
    return jnp.asarray(times, jnp.float32), jnp.asarray(weights, jnp.float32)


def over_batch(solve: Callable, *, mapped: bool) -> Callable:
    """Add the batch to `solve(times [I], weights [I, O]) -> [O]`: times [B, I] -> [B, O].

    `mapped` goes sample by sample through `map_members`; else `jax.vmap` does.
    """

    def run(times, weights):
        def one(times):
            return solve(times, weights)

        return map_members(one, times) if mapped else jax.vmap(one)(times)

    return run


def compile_both(run: Callable, times, weights):
    """Compile the layer, and its gradient by both arguments.

    `run` takes `times` [B, I] and `weights` [I, O]. Returns both as functions of these, and the
    gradient's program.
    """

    def loss(times, weights, push):
        out = run(times, weights)
        spiking = spike_time.is_spike(out)
        return (jnp.where(spiking, jnp.where(spiking, out, 0.0), 0.0) * push).sum()

    shape = (times.shape[0], weights.shape[1])
    push = jnp.asarray(np.random.default_rng(1).normal(size=shape), jnp.float32)
    forward = jax.jit(run).lower(times, weights).compile()
    gradient = jax.jit(jax.grad(loss, (0, 1))).lower(times, weights, push).compile()
    return forward, lambda times, weights: gradient(times, weights, push), gradient


def best_times(functions: list[Callable], times, weights, seconds: float) -> list[float]:
    """Call the functions in turn for some `seconds`: the shortest time of each, in s.

    `functions` take `times` [B, I] and `weights` [I, O].
    """
    durations = [[] for _ in functions]
    for function in functions:
        jax.block_until_ready(function(times, weights))
    end, turns = time.perf_counter() + seconds, 0
    while turns < 2 or time.perf_counter() < end:
        for function, own in zip(functions, durations, strict=True):
            started = time.perf_counter()
            jax.block_until_ready(function(times, weights))
            own.append(time.perf_counter() - started)
        turns += 1
    return [min(own) for own in durations]


def _temporary_bytes(program) -> int:
    """Return the temporary memory of a compiled program, as the compiler plans it."""
    analysis = program.memory_analysis()
    assert analysis is not None
    return analysis.temp_size_in_bytes


def measure_solver(name: str, size: tuple[int, int, int], seconds: float) -> dict[str, float]:
    """Compare one model at one size: ratios, and what the neurons did.

    `name` is its key in `SEARCHED` or `WINDOWED`, `size` is (B, I, O); `seconds` are spent on each
    comparison.
    """
    times, weights = some_layer(*size)
    searched = name in SEARCHED
    solve = SEARCHED[name] if searched else WINDOWED[name]
    runs = [
        over_batch(solve, mapped=searched),
        over_batch(TEXTBOOK[name], mapped=False),
        over_batch(lambda t, w: jax.nn.relu(t @ w + jnp.zeros(size[2])), mapped=False),
        over_batch(solve, mapped=False),
    ]
    programs = [compile_both(run, times, weights) for run in runs]
    ours, book, relu, vmapped = best_times([p[0] for p in programs], times, weights, seconds)
    of_ours, of_book, of_relu, of_vmapped = best_times(
        [p[1] for p in programs], times, weights, seconds
    )
    memory = [_temporary_bytes(p[2]) for p in programs]
    actual, expected = (np.asarray(p[0](times, weights)) for p in programs[:2])
    same = np.isfinite(actual) & np.isfinite(expected)
    causal = (np.asarray(times)[:, :, None] < actual[:, None]).mean()
    result = {
        "forward_speedup": book / ours,
        "gradient_speedup": of_book / of_ours,
        "memory_reduction": memory[1] / max(memory[0], 1),
        "times_relu": of_ours / of_relu,
        "times_relu_forward": ours / relu,
        "vmap_forward_speedup": book / vmapped,
        "vmap_gradient_speedup": of_book / of_vmapped,
        "vmap_memory_reduction": memory[1] / max(memory[3], 1),
        "gradient_ms": 1e3 * of_ours,
        "memory_mib": memory[0] / 2**20,
        "silent": float(np.isinf(actual).mean()),
        "causal_inputs": float(causal),
        "differs_from_textbook": float((np.isfinite(actual) != np.isfinite(expected)).mean()),
        "largest_difference": float(np.abs(actual[same] - expected[same]).max(initial=0.0)),
    }
    if searched:
        # No neuron ever fires, so that no input can be left out.
        late, slow = best_times([p[0] for p in programs[:2]], times, -abs(weights), seconds / 2)
        result["forward_speedup_all_silent"] = slow / late
    return result


def measure_solvers(arguments: SolversArguments) -> dict:
    """Measure all models that the `arguments` name, at both sizes: JSON values."""
    console = Console(stderr=True)
    models: dict = {name: {} for name in arguments.models}
    for name in arguments.models:
        for size in SIZES:
            console.log(f"{name} {size}")
            models[name]["x".join(map(str, size))] = measure_solver(name, size, arguments.seconds)
    return {"benchmark": "solvers", "cpus": os.cpu_count(), "models": models}


def speedup_table(result: dict) -> Table:
    """Lay out the ratios of the `result`."""
    columns = ("forward_speedup", "gradient_speedup", "memory_reduction", "times_relu")
    table = Table("model", "size", *(c.replace("_", " ") for c in columns))
    for name, sizes in result["models"].items():
        for size, row in sizes.items():
            table.add_row(name, size, *(f"{row[c]:.2f}" for c in columns))
    return table


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line; `arguments` replace those of the command line."""
    run_command("benchmarks.solvers", SolversArguments, measure_solvers, speedup_table, arguments)


if __name__ == "__main__":
    main()
