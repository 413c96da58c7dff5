"""The population engine: a member's result is its own, whatever runs beside it and wherever."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax.network.architecture import Architecture, NetworkSpec
from ttfs_jax.network.masked import Network
from ttfs_jax.population.lanes import fastest_lanes
from ttfs_jax.population.program import PopulationConfig, Program, pick, run_members
from ttfs_jax.support.devices import use_every_core
from ttfs_jax.tasks.losses import cross_entropy
from ttfs_jax.training.buckets import BucketTraining
from ttfs_jax.training.recipe import TrainConfig, make_train
from ttfs_jax.training.shapes import draw_variables, make_grid

pytestmark = pytest.mark.xdist_group("population")
SPEC = NetworkSpec((6, 6, 1), 3, stage_widths=(4, 6), stage_blocks=(1, 0), head_width=6)
RNG = np.random.default_rng(0)
IMAGES = RNG.random((32, 6, 6, 1)).astype(np.float32)
LABELS = RNG.integers(0, 3, 32).astype(np.int32)
MEMBERS = 7
ARCHITECTURES = Architecture(
    operators=np.array([[n % 4] for n in range(MEMBERS)], np.int32),
    widths=np.array([[2 + 2 * (n % 2), 3 + 3 * (n % 2)] for n in range(MEMBERS)], np.int32),
    head=np.full(MEMBERS, 6, np.int32),
    time_bits=np.full(MEMBERS, 5, np.int32),
)
SEEDS = np.arange(MEMBERS, dtype=np.uint32)
ARGUMENTS = (ARCHITECTURES, SEEDS), (IMAGES, LABELS)  # members, shared
RECIPE = TrainConfig(epochs=2, batch_size=8)


def square(member, shared):
    return {"y": member["x"] ** 2 + shared}


def squares(count, **options):
    members = {"x": np.arange(count, dtype=np.float32)}
    return Program(square, members, np.float32(1), **options)


@pytest.mark.parametrize("count", [1, 3, 8, 11])
@pytest.mark.parametrize("options", [{}, {"chunk": 4}, {"lanes": 2, "chunk": 4}, {"lanes": 3}])
def test_results_come_in_order_for_any_number_of_members(count, options):
    program = squares(8, config=PopulationConfig(**options))
    x = np.arange(count, dtype=np.float32)
    np.testing.assert_array_equal(program({"x": x}, np.float32(1))["y"], x**2 + 1)


def test_places_that_are_not_needed_are_not_computed():
    seen = []

    def noted(member, _):
        jax.debug.callback(lambda x: seen.append(float(x)), member)
        return member

    program = Program(noted, np.zeros(8, np.float32), (), config=PopulationConfig(lanes=1))
    program(np.array([5.0, 7.0, 9.0], np.float32), ())
    jax.effects_barrier()
    assert sorted(seen) == [5.0, 7.0, 9.0]


def train_function():
    def train(member, shared):
        architecture, seed = member
        recipe = make_train(Network(SPEC), RECIPE, samples=32, shift=1)
        state = recipe.init(draw_variables(SPEC, architecture, jax.random.key(seed)))
        return recipe.epoch(state, architecture, *shared, seed)[0].variables["params"]

    return train


def trained(rows=None, **options):
    chosen = np.arange(MEMBERS) if rows is None else np.asarray(rows)
    members = (pick(ARCHITECTURES, chosen), SEEDS[chosen])
    config = PopulationConfig(**{"lanes": 1} | options.pop("config", {}))
    return run_members(train_function(), members, (IMAGES, LABELS), config=config, **options)


@pytest.fixture(scope="module")
def everyone():
    return trained()


def equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.slow
def test_four_devices_give_the_same_bits_as_one(everyone):
    assert jax.local_device_count() >= 4
    for count in (1, 2, 4):
        equal(trained(devices=jax.local_devices()[:count]), everyone)


@pytest.mark.slow
def test_neither_neighbours_nor_chunk_change_a_bit(everyone):
    equal(trained(config={"chunk": 4}), everyone)
    equal(trained(rows=[5, 2]), pick(everyone, np.array([5, 2])))


def gradient(member, shared):
    architecture, seed = member
    network, variables = Network(SPEC), draw_variables(SPEC, architecture, jax.random.key(seed))
    images, labels = shared

    def loss(params):
        changed = variables | {"params": params}
        out = network.apply(changed, images, architecture, batch_statistics=True)
        return cross_entropy(out.logits, labels)

    return jax.value_and_grad(loss)(variables["params"])


@pytest.fixture(scope="module")
def gradients():
    """Of members one by one."""
    return run_members(gradient, *ARGUMENTS, config=PopulationConfig(lanes=1))


def equal_but_for_rounding(one, other):
    assert_close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6)
    jax.tree.map(assert_close, one, other)


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [3, 4])
def test_lanes_change_nothing_but_rounding(lanes, gradients):
    """Gradients are compared, as Adam turns the rounding of one near 0 into a whole step."""
    side_by_side = run_members(gradient, *ARGUMENTS, config=PopulationConfig(lanes=lanes))
    equal_but_for_rounding(side_by_side, gradients)


@pytest.mark.slow
@pytest.mark.parametrize(("level", "emitters"), [(0, True), (1, False)])
def test_gradients_do_not_depend_on_how_xla_compiles(level, emitters, gradients):
    """It may compute a value once for each of its uses, rounded in another way."""
    options = {"xla_backend_optimization_level": level, "xla_cpu_use_fusion_emitters": emitters}
    together = jax.jit(jax.vmap(gradient, (0, None)), compiler_options=options)
    equal_but_for_rounding(together(*ARGUMENTS), gradients)


@pytest.mark.slow
def test_a_population_too_large_for_memory_is_chunked(everyone):
    members, shared = (ARCHITECTURES, SEEDS), (IMAGES, LABELS)
    one = jax.local_devices()[:1]
    free = Program(train_function(), members, shared, config=PopulationConfig(1), devices=one)
    assert free.chunk == MEMBERS
    room = (free.fixed_bytes + 3.5 * free.member_bytes) / 2**30
    config = PopulationConfig(lanes=1, memory_gib=room)
    tight = Program(train_function(), members, shared, config=config, devices=one)
    assert tight.chunk == 3
    equal(tight(members, shared), everyone)


def test_memory_grows_with_the_chunk_and_is_what_the_arrays_take():
    one = jax.local_devices()[:1]
    programs = [
        squares(256, config=PopulationConfig(1, chunk=c), devices=one) for c in (8, 64, 256)
    ]
    assert {p.member_bytes for p in programs} == {8}  # a float in, a float out
    held = [p.fixed_bytes + p.chunk * p.member_bytes for p in programs]
    assert held[0] < held[1] < held[2]
    many = squares(4096, config=PopulationConfig(1, chunk=64), devices=one)
    assert many.fixed_bytes == programs[1].fixed_bytes


def test_unfit_settings_are_named():
    for name in ("lanes", "chunk", "memory_gib"):
        with pytest.raises(ValueError, match=f"{name} must be (at least 1|above 0)"):
            PopulationConfig(**{name: 0})
    with pytest.raises(ValueError, match="waste"):
        PopulationConfig(waste=1.5)


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_program_traces_its_function_once(lanes):
    traces = []

    def function(member, shared):
        traces.append(1)
        return member * shared, {"sum": jnp.sum(member)}

    members = np.arange(8, dtype=np.float32).reshape(4, 2)
    program = Program(function, members, np.float32(3), config=PopulationConfig(lanes=lanes))
    product, rest = program(members, np.float32(3))
    assert len(traces) == 1
    np.testing.assert_array_equal(product, 3 * members)
    np.testing.assert_array_equal(rest["sum"], members.sum(1))


def test_lanes_are_measured_once_and_remembered(tmp_path):
    path = tmp_path / "lanes.json"
    members = np.zeros(16, np.float32)
    traces = []

    def function(member, shared):
        traces.append(1)
        return member + shared

    options = {"name": "test", "path": path, "candidates": (1, 2)}
    first = fastest_lanes(function, members, np.float32(1), **options)
    assert first in (1, 2)
    before = len(traces)
    assert fastest_lanes(function, members, np.float32(1), **options) == first
    assert len(traces) == before
    path.write_text(path.read_text().replace(f": {first}", ": 7"))
    assert fastest_lanes(function, members, np.float32(1), **options) == 7
    path.write_text("{ damaged")
    assert fastest_lanes(function, members, np.float32(1), **options) in (1, 2)


def bucket_training(waste, architectures=ARCHITECTURES):
    grid = make_grid(SPEC, ((2, 4), (3, 6)), (6,), waste=waste)
    return BucketTraining(
        grid,
        architectures,
        lambda network, samples: make_train(network, RECIPE, samples=samples, shift=1),
        batch_size=8,
        name="test",
        config=PopulationConfig(lanes=1),
    )


def all_epochs(training, rows=None, alive=None):
    rows = np.arange(MEMBERS) if rows is None else rows
    fresh = run_members(
        lambda m, _: draw_variables(SPEC, m[0], jax.random.key(m[1])),
        (pick(ARCHITECTURES, rows), SEEDS[rows]),
        (),
    )
    states, losses = training.start(fresh), []
    alive = np.arange(len(rows)) if alive is None else alive
    for _ in range(RECIPE.epochs):
        states, loss = training.epoch(states, alive, SEEDS[rows], (IMAGES, LABELS))
        losses.append(loss)
    return training.finish(states), losses, fresh


@pytest.fixture(scope="module")
def in_two_buckets():
    split = bucket_training(0.0)
    assert len(split.buckets) == 2
    return all_epochs(split)[0]


@pytest.mark.slow
def test_buckets_give_the_masked_network_and_ignore_who_else_is_there(in_two_buckets):
    native, whole = in_two_buckets, bucket_training(1.0)
    assert len(whole.buckets) == 1
    masked, _, _ = all_epochs(whole)
    used = jax.tree.map(
        lambda a, b: np.abs(a - b)[a != 0].max(initial=0.0), native["params"], masked["params"]
    )
    assert max(jax.tree.leaves(used)) < 1e-3
    rows = np.array([4, 1])
    few, _, _ = all_epochs(bucket_training(0.0, pick(ARCHITECTURES, rows)), rows)
    equal(few, pick(native, rows))


@pytest.mark.slow
def test_members_that_stopped_stay_as_they_are(in_two_buckets):
    alive = np.array([0, 3, 5])
    some, losses, fresh = all_epochs(bucket_training(0.0), alive=alive)
    equal(pick(some, alive), pick(in_two_buckets, alive))
    assert np.isnan(losses[0]).tolist() == [n not in alive for n in range(MEMBERS)]
    kept = some["params"]["stem"]["kernel"][1][:, :2]
    np.testing.assert_array_equal(kept, fresh["params"]["stem"]["kernel"][1][:, :2])


def test_devices_are_settled_before_the_back_end_starts():
    before = jax.local_device_count()
    use_every_core(2)
    assert jax.local_device_count() == before
    assert jnp.ones(1).sum() == 1
