"""What solvers take and refuse: types, precisions, constants, and values that are traced."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from neurons import solver

from ttfs_jax import InputError, spike_time

TIMES = np.array([0.125, 0.5, 0.75, np.inf])
WEIGHTS = np.array([[2, 9, -3], [3, 1, 1], [4, 5, -1], [9, 9, 9]])
LIMIT = np.array([1.5, 2.0, 3.0])
SOLVERS = {
    name: solver(name)
    for name in ("non_leaky", "lif_equal", "lif_double", "lif", "lif_event_prop", "linear_psp")
} | {
    "constant_slope": lambda t, w, limit: spike_time.constant_slope(
        t, w, bias=limit, window_in=1.0, window_out=8.0
    ),
    "linear_threshold": lambda t, w, limit: spike_time.linear_threshold(
        t, w, threshold=limit, window=2.0
    ),
    "exponential_threshold": lambda t, w, limit: spike_time.exponential_threshold(
        t, w, threshold=limit
    ),
}
each_solver = pytest.mark.parametrize("name", SOLVERS)


@each_solver
def test_every_type_of_the_same_numbers_gives_the_same_times(name):
    solve = SOLVERS[name]
    plain = solve(*map(jnp.float32, (TIMES, WEIGHTS, LIMIT)))
    assert np.isfinite(plain).any() and plain.dtype == jnp.float32
    np.testing.assert_array_equal(
        solve(TIMES.tolist(), WEIGHTS.tolist(), [jnp.float32(x) for x in LIMIT]), plain
    )
    for dtype in (np.int8, np.int64, jnp.float16, jnp.bfloat16, np.float64):
        weights = WEIGHTS.astype(dtype)
        np.testing.assert_array_equal(solve(TIMES, weights, LIMIT), plain)
        np.testing.assert_array_equal(jax.jit(solve)(TIMES, weights, LIMIT), plain)
    half = solve(jnp.bfloat16(TIMES), jnp.float16(WEIGHTS), jnp.float16(LIMIT))
    np.testing.assert_array_equal(half, plain)
    assert half.dtype == jnp.float32


@each_solver
def test_gradients_have_the_types_of_the_arguments(name):
    def loss(*point):
        times = SOLVERS[name](*point)
        return jnp.where(spike_time.is_spike(times), times, 0.0).sum()

    exact = jax.grad(loss, (0, 1, 2))(*map(jnp.float32, (TIMES, WEIGHTS, LIMIT)))
    types = (jnp.float16, jnp.float32, jnp.bfloat16)
    for turn in range(3):
        point = [
            jnp.asarray(x, types[(turn + k) % 3]) for k, x in enumerate((TIMES, WEIGHTS, LIMIT))
        ]
        for given, own, right in zip(point, jax.grad(loss, (0, 1, 2))(*point), exact, strict=True):
            assert own.dtype == given.dtype
            np.testing.assert_allclose(np.float32(own), right, rtol=1e-2, atol=1e-6)


@each_solver
def test_float64_if_any_array_is(name):
    solve = SOLVERS[name]
    with jax.enable_x64(True):
        fine = solve(*map(jnp.float64, (TIMES, WEIGHTS, LIMIT)))
        assert fine.dtype == jnp.float64
        for point in (
            (jnp.float64(TIMES), jnp.float32(WEIGHTS), jnp.float16(LIMIT)),
            (jnp.float32(TIMES), jnp.float64(WEIGHTS), jnp.float32(LIMIT)),
            (jnp.float16(TIMES), jnp.int8(WEIGHTS), jnp.float64(LIMIT)),
        ):
            np.testing.assert_array_equal(solve(*point), fine)
        # Python numbers and integers follow.
        assert solve(jnp.float32(TIMES), jnp.int32(WEIGHTS), 2.0).dtype == jnp.float32


def test_whole_numbers_beyond_32_bits_are_not_cut():
    start = 5_000_000_000  # µs since some event
    for times in (np.array([start]), [start], np.array([start], np.uint64)):
        found = spike_time.linear_psp(times, [[1]], threshold=2.0**20)
        np.testing.assert_allclose(found, [start + 2.0**20], rtol=1e-6)
    np.testing.assert_allclose(spike_time.charge(np.array([start]), 6e9), [1e9], rtol=1e-6)


def test_half_precision_neither_overflows_nor_loses():
    weights = jnp.full((200, 1), 600.0, jnp.float16)  # their sum is beyond float16
    found = spike_time.linear_psp(jnp.zeros(200, jnp.float16), weights, threshold=2.4e5)
    np.testing.assert_allclose(found, [2.0], rtol=1e-6)
    drive = jnp.asarray([0.125], jnp.float16)
    np.testing.assert_array_equal(spike_time.fire(drive, 60000.0), [59999.875])
    code = spike_time.exponential_code(jnp.float16([0.5]), tau=1.0, window=40.0)
    np.testing.assert_allclose(code, [np.log(2.0)], rtol=1e-6)


SCALARS = (-1.0, 0.0, float("nan"), np.float32(-2.0), np.array([1.0, -1.0, 1.0]))
REFUSED = {
    **{
        f"{name} threshold": (partial(getattr(spike_time, name), **constants), "threshold")
        for name, constants in {
            "non_leaky": {},
            "lif_equal": {},
            "lif_double": {},
            "lif": {"tau_mem": 2.0, "tau_syn": 1.0},
            "lif_event_prop": {"tau_mem": 2.0, "tau_syn": 1.0},
            "linear_psp": {},
            "linear_threshold": {},
            "exponential_threshold": {},
        }.items()
    },
    "non_leaky tau": (spike_time.non_leaky, "tau"),
    "lif_equal tau": (spike_time.lif_equal, "tau"),
    "lif_double tau_syn": (spike_time.lif_double, "tau_syn"),
    "lif tau_mem": (partial(spike_time.lif, tau_syn=1.0), "tau_mem"),
    "lif tau_syn": (partial(spike_time.lif, tau_mem=1.0), "tau_syn"),
    "lif_event_prop tau_mem": (partial(spike_time.lif_event_prop, tau_syn=1.0), "tau_mem"),
    "lif_event_prop tau_syn": (partial(spike_time.lif_event_prop, tau_mem=1.0), "tau_syn"),
    "linear_threshold window": (spike_time.linear_threshold, "window"),
    "exponential_threshold tau_in": (spike_time.exponential_threshold, "tau_in"),
    "exponential_threshold tau_out": (spike_time.exponential_threshold, "tau_out"),
    "exponential_threshold window": (spike_time.exponential_threshold, "window"),
    "constant_slope window_in": (
        partial(spike_time.constant_slope, bias=0.0, window_out=1.0),
        "window_in",
    ),
    "constant_slope window_out": (
        partial(spike_time.constant_slope, bias=0.0, window_in=1.0),
        "window_out",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_constants_that_are_not_above_zero_are_refused_by_name(case):
    solve, name = REFUSED[case]
    for value in SCALARS:
        with pytest.raises(InputError, match=rf"\b{name}\b"):
            solve(jnp.zeros(3), jnp.ones((3, 3)), **{name: value})
        with pytest.raises(InputError, match=rf"\b{name}\b"):
            jax.jit(partial(solve, **{name: value}))(jnp.zeros(3), jnp.ones((3, 3)))


def test_elementwise_readings_refuse_too():
    for call in (
        lambda bad: spike_time.fire(jnp.ones(2), bad),
        lambda bad: spike_time.charge(jnp.ones(2), bad),
        lambda bad: spike_time.exponential_code(jnp.ones(2), window=bad),
        lambda bad: spike_time.exponential_code(jnp.ones(2), tau=bad),
        lambda bad: spike_time.exponential_value(jnp.ones(2), tau=bad),
        lambda bad: spike_time.convert_to_exponential(
            jnp.ones((2, 2)), jnp.ones(2), largest_in=bad, largest_out=1.0
        ),
    ):
        for bad in (0.0, -1.0, float("nan")):
            with pytest.raises(InputError, match="must be above 0"):
                call(bad)


@each_solver
def test_what_is_not_real_numbers_is_refused_by_name(name):
    solve = SOLVERS[name]
    for times in (["a", "b"], [[0.0], [0.0, 1.0]], np.array([1j, 0.0])):
        with pytest.raises(InputError, match="times"):
            solve(times, np.ones((2, 3)), 1.0)
    with pytest.raises(InputError, match=r"\[\] or \[3\]"):
        solve(np.zeros(2), np.ones((2, 3)), np.ones(2))
    with pytest.raises(InputError, match=r"times \[I\] and weights"):
        solve([[0.0, 1.0]], np.ones((2, 3)), 1.0)


TRACED = {
    "tau": spike_time.non_leaky,
    "tau_syn": spike_time.lif_double,
    "tau_mem": partial(spike_time.lif, tau_syn=1.0),
    "min_slope": spike_time.lif_equal,
}


@pytest.mark.parametrize("name", TRACED)
def test_traced_time_constants_are_refused_with_the_reason(name):
    def solve(value):
        return TRACED[name](jnp.zeros(3), 5.0 * jnp.ones((3, 1)), **{name: value})[0]

    for traced in (jax.jit(solve), jax.grad(solve), jax.jacfwd(solve)):
        with pytest.raises(InputError, match=rf"{name} is a traced value.*no gradient"):
            traced(1.5)
    with pytest.raises(InputError, match=name):
        jax.vmap(solve)(jnp.ones(2))
    # A number in any form is not traced; two forms of it are one program.
    assert solve(1.5) == solve(np.float32(1.5)) == solve(jnp.asarray(1.5))


@pytest.mark.parametrize("name", ["tau_in", "tau_out", "window"])
def test_constants_of_falling_thresholds_have_a_gradient(name):
    solvers = [spike_time.exponential_threshold]
    solvers += [spike_time.linear_threshold] if name == "window" else []
    with jax.enable_x64(True):
        for solver in solvers:

            def total(value, solver=solver):
                times = solver(jnp.asarray([0.25, 0.5]), 0.1 * jnp.ones((2, 3)), **{name: value})
                return times.sum()

            at, step = 1.3 if name != "window" else 4.0, 1e-6
            measured = (total(at + step) - total(at - step)) / (2 * step)
            np.testing.assert_allclose(jax.jit(jax.grad(total))(at), measured, rtol=1e-6)
            assert np.isfinite(measured)


@each_solver
def test_a_traced_threshold_that_is_not_above_zero_is_seen(name):
    if name == "constant_slope":
        pytest.skip("its threshold is window − bias, of any sign")
    solve = jax.jit(SOLVERS[name])
    for bad in (0.0, -1.0, np.nan):
        found = solve(TIMES, np.abs(WEIGHTS), np.float32([1.0, bad, 1.0]))
        assert np.isnan(found[1]) and np.isfinite(found[0])
