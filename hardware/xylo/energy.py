"""Energy and latency of an inference on Xylo-Audio 3, from powers measured on one board.

Estimated, not measured: the constants are fits to published readings of the core's supply rail;
input and output pads, host, sensor and loading of spikes are not included.
"""

from hardware.target import Constant, Estimate, Range, exactly, total
from ttfs_jax.support.errors import InputError

CLOCKS_MHZ = (6.25, 12.5, 25.0, 50.0)
_NOTEBOOKS = (
    "Rockpool's history before commit 252c0358 (Nov 2024), notebooks PowerMeasurementSamna-*, "
    "Xylo-Audio 3, core rail"
)


CONSTANTS = {
    "static": Constant(exactly(141e-6), "W", f"main clock off; {_NOTEBOOKS}"),
    "clock": Constant(
        Range(25.1e-12, 25.3e-12, 25.5e-12),
        "J/cycle",
        f"fit to 302, 456, 773, 1407 µW at 6.25 … 50 MHz, default config, idle; {_NOTEBOOKS}",
    ),
    "mapped": Constant(
        exactly(12e-6), "W", f"static share of a small mapped network, fit; {_NOTEBOOKS}"
    ),
    "mapped_clock": Constant(
        Range(2.2e-12, 2.45e-12, 2.7e-12),
        "J/cycle",
        f"its share per cycle; grows with the memory enabled, how much is not known; {_NOTEBOOKS}",
    ),
    "activity": Constant(
        Range(0.0, 20e-12, 40e-12),
        "J/busy cycle",
        f"running less idle, 31 ± 10 µW at 50 MHz, activity not known; {_NOTEBOOKS}",
    ),
}


def _idle(clock_mhz: float, *, mapped: bool) -> dict[str, Range]:
    """Itemise the idle power of the core in W."""
    value = {name: constant.value for name, constant in CONSTANTS.items()}
    static, clock = value["static"], value["clock"]
    if mapped:
        static, clock = static + value["mapped"], clock + value["mapped_clock"]
    return {"static": static, "clock": clock * (clock_mhz * 1e6)}


def idle_power(clock_mhz: float, *, mapped: bool) -> Range:
    """Return the idle power of the core in W: P = P₀ + e_clk f, with f = `clock_mhz`.

    `mapped` adds the share of a mapped network.
    """
    return total(_idle(clock_mhz, mapped=mapped))


def running_power(clock_mhz: float, cycles_per_second: float) -> Range:
    """Return the power in W of a mapped network at `clock_mhz`, busy `cycles_per_second`."""
    return idle_power(clock_mhz, mapped=True) + CONSTANTS["activity"].value * cycles_per_second


def estimate(
    cycles: float,
    steps: int,
    *,
    clock_mhz: float = 50.0,
    step_seconds: float | None = None,
    reasons: tuple[str, ...] = (),
) -> Estimate:
    """Estimate an inference of `steps` steps of so many cycles each, a silent gap included.

    E = (P₀ + P_map + (e_clk + e_map) f) t + e_act N, with N = steps × cycles and t = N / f, after
    which the clock is stopped or the chip used again; with `step_seconds` the chip runs in real
    time, t = steps × step_seconds. f is `clock_mhz`, and `reasons` are the exceeded limits.

    Raises: InputError for another clock than the chip's, or steps too short for their cycles.
    """
    if clock_mhz not in CLOCKS_MHZ:
        raise InputError(f"clock_mhz must be one of {CLOCKS_MHZ}, not {clock_mhz}")
    frequency, busy = clock_mhz * 1e6, steps * cycles
    latency = busy / frequency if step_seconds is None else steps * step_seconds
    if step_seconds is not None and cycles > step_seconds * frequency:
        raise InputError(
            f"a step takes {cycles:,.0f} cycles, but {step_seconds:g} s at {clock_mhz:g} MHz are "
            f"{step_seconds * frequency:,.0f}: use a faster clock or longer steps"
        )
    idle = _idle(clock_mhz, mapped=True)
    terms = {name: power * latency for name, power in idle.items()}
    terms["activity"] = CONSTANTS["activity"].value * busy
    return Estimate("xylo-a3", terms, latency, reasons, CONSTANTS)
