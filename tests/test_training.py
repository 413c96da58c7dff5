"""The training recipe: schedules, averaging, distillation, precision, against hand numbers."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from search.config import Config, RetrainConfig, SupernetConfig, from_dict
from search.loop.run_directory import to_dict
from ttfs_jax.network.architecture import Architecture, NetworkSpec
from ttfs_jax.network.conversion import calibrate, fold
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.training.config import TrainConfig
from ttfs_jax.training.distillation import ensemble
from ttfs_jax.training.optimiser import averaged, make_schedule
from ttfs_jax.training.recipe import make_train

# Without blocks, so that it compiles fast.
NETWORK = Network(NetworkSpec((6, 6, 1), 3, (3,), (0,), head_width=4))
CHOSEN = Architecture(jnp.zeros(0, jnp.int32), jnp.array([3]), jnp.array(4), jnp.array(0))
LABELS = jnp.arange(8) % 3
KEYS = jax.random.split(jax.random.key(0), 3)


def images():
    drawn = np.random.default_rng(0).uniform(0.1, 1.0, (8, 6, 6, 1))
    return jnp.asarray(drawn, jnp.float32)


def fit(config, code="relu", variables=None, chosen=CHOSEN, **options):
    """Train on 8 images for the config's epochs: -> the state after each."""
    if variables is None:
        variables = initialise(NETWORK, jax.random.key(0))
    recipe = make_train(NETWORK, config, samples=8, code=code)
    states = [jax.jit(recipe.init)(variables)]
    epoch = jax.jit(recipe.epoch)
    for _ in range(config.epochs):
        states.append(epoch(states[-1], chosen, images(), LABELS, jnp.uint32(0), **options)[0])
    return states


def member(tree, n):
    return jax.tree.map(lambda leaf: leaf[n], tree)


def assert_same(tree, other, **tolerance):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), tree, other)


def differs(tree, other):
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True)
    return any((np.asarray(a) != np.asarray(b)).any() for a, b in pairs)


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle-linear"])
def test_schedules_by_hand(schedule):
    config = TrainConfig(learning_rate=2.0, schedule=schedule, warmup=0.2)
    rate = jax.jit(jax.vmap(make_schedule(config, 100)))
    rates = rate(jnp.array([0, 10, 20, 60, 100]))
    np.testing.assert_allclose(rates, [0, 1, 2, 1, 0], atol=1e-6)
    quarter = 1 + np.cos(np.pi / 4) if schedule == "cosine" else 1.5
    assert float(rate(jnp.array([40]))[0]) == pytest.approx(quarter)
    for steps in (1, 2):
        short = make_schedule(dataclasses.replace(config, warmup=0.0), steps)
        assert [float(short(n)) for n in (0, 1, 2)] == pytest.approx([0, 2, 0])


@pytest.mark.parametrize("decay", [0.5, 0.99999])
def test_average_of_three_steps_by_hand(decay):
    weights = {"kernel": jnp.array([[1.0, 4.0], [2.0, -1.0], [6.0, 0.5]])}

    def after_three(weights):
        def step(average, inputs):
            number, now = inputs
            return averaged(average, now, number + 1, decay=decay), None

        start = {"kernel": jnp.full(weights["kernel"].shape[1:], 1e3)}
        return jax.lax.scan(step, start, (jnp.arange(3), weights))[0]

    shares = decay ** np.arange(2.0, -1.0, -1.0)
    by_hand = shares @ np.asarray(weights["kernel"]) / shares.sum()
    np.testing.assert_allclose(jax.jit(after_three)(weights)["kernel"], by_hand, rtol=1e-3)
    stacked = {"kernel": weights["kernel"][None]}
    np.testing.assert_allclose(jax.vmap(after_three)(stacked)["kernel"][0], by_hand, rtol=1e-3)


def test_training_keeps_the_average_of_its_steps():
    config = TrainConfig(epochs=3, batch_size=8, average=0.5)
    states = fit(config)
    assert_same(states[0].final, states[0].variables)
    first, second, third = (state.variables["params"] for state in states[1:])
    by_hand = jax.tree.map(lambda a, b, c: (a + 2 * b + 4 * c) / 7, first, second, third)
    assert_same(states[-1].final["params"], by_hand, rtol=1e-5, atol=1e-6)
    assert differs(states[-1].final["params"], third)
    plain = fit(dataclasses.replace(config, average=0.0))[-1]
    assert_same(plain.variables, states[-1].variables, rtol=1e-6, atol=1e-7)
    assert plain.final is plain.variables


def test_average_counts_the_steps_within_an_epoch():
    # a_2 = (d p_1 + p_2) / (1 + d) gives back the same p_1 whatever the decay.
    def first(decay):
        state = fit(TrainConfig(epochs=1, batch_size=4, average=decay))[-1]
        return jax.tree.map(
            lambda a, p: ((1 + decay) * a - p) / decay, state.average, state.variables["params"]
        )

    assert_same(first(0.5), first(0.9), rtol=1e-4, atol=1e-5)


def spiking():
    fresh = initialise(NETWORK, jax.random.key(1))
    return jax.jit(lambda v: fold(calibrate(NETWORK, v, CHOSEN, images(), margin=0.5)))(fresh)


def test_fine_tuning_without_time_steps_or_with_fixed_windows():
    config, variables = TrainConfig(epochs=1, batch_size=4, learning_rate=0.1), spiking()
    coarse = CHOSEN.replace(time_bits=jnp.array(2))

    def tuned(chosen, **options):
        changed = dataclasses.replace(config, **options)
        return fit(changed, code="ttfs", variables=variables, chosen=chosen)[-1].final

    usual = tuned(coarse)
    assert differs(usual["windows"], variables["windows"])
    exact = tuned(coarse, quantised=False)
    assert_same(exact, tuned(CHOSEN), rtol=1e-5, atol=1e-6)
    assert differs(exact["params"], usual["params"])
    fixed = tuned(coarse, grow_windows=False)
    assert_same(fixed["windows"], variables["windows"])
    average = tuned(coarse, average=0.9)
    assert_same(average["windows"], usual["windows"], rtol=1e-5)


def members():
    draw = jax.vmap(lambda key: initialise(NETWORK, key))
    return jax.jit(draw)(KEYS), jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), CHOSEN)


def test_an_ensemble_has_the_mean_probability_of_its_members():
    variables, architectures = members()
    teacher = ensemble(NETWORK, variables, architectures)
    logits = jax.jit(lambda teacher, x: teacher(x))(teacher, images())
    apply = jax.jit(NETWORK.apply)
    each = [apply(member(variables, n), images(), CHOSEN).logits for n in range(len(KEYS))]
    np.testing.assert_allclose(jnp.exp(logits), jax.nn.softmax(jnp.stack(each)).mean(0), rtol=1e-4)


def test_a_student_follows_its_teacher_and_not_the_labels():
    config = TrainConfig(epochs=1, batch_size=4, distil=1.0, temperature=2.0)
    teacher = ensemble(NETWORK, *members())
    student = fit(config, teacher=teacher)[-1]
    looked_up = fit(config, teacher=np.asarray(teacher(images())))[-1]
    assert_same(student.variables, looked_up.variables, rtol=1e-4, atol=1e-5)
    assert differs(student.variables, fit(dataclasses.replace(config, distil=0.0))[-1].variables)
    recipe = make_train(NETWORK, config, samples=8)
    arguments = (student, CHOSEN, images())
    seed = jnp.uint32(0)
    program = jax.make_jaxpr(recipe.epoch)(*arguments, LABELS, seed, teacher=teacher)
    assert sum(np.size(constant) for constant in program.consts) < 100
    epoch = jax.jit(recipe.epoch)
    one, another = (epoch(*arguments, y, seed, teacher=teacher) for y in (LABELS, LABELS[::-1]))
    with pytest.raises(ValueError, match=r"distil 1.0 needs a teacher"):
        recipe.epoch(*arguments, LABELS, seed)


def test_fixed_logits_of_a_teacher_are_blended_with_the_images():
    # A teacher that is sure of the labels says the same as the labels do, blended or not.
    sure = 200 * jax.nn.one_hot(LABELS, 3)
    config = TrainConfig(epochs=1, batch_size=4, mixup=1.0, label_smoothing=0.0)
    taught = dataclasses.replace(config, distil=1.0, temperature=1.0)
    taught, plain = fit(taught, teacher=sure)[-1].variables, fit(config)[-1].variables
    assert_same(taught, plain, rtol=1e-4, atol=1e-5)


def test_every_option_together_maps_over_a_population():
    config = TrainConfig(
        epochs=1, batch_size=4, balanced=True, erase=0.3, mixup=0.2, average=0.9, distil=0.5
    )
    recipe = make_train(NETWORK, config, samples=8, shift=1, flip=True)
    variables, architectures = members()
    teacher = ensemble(NETWORK, variables, architectures)
    states = jax.jit(jax.vmap(recipe.init))(variables)

    def one(state, architecture, seed):
        return recipe.epoch(state, architecture, images(), LABELS, seed, teacher=teacher)

    seeds = jnp.arange(3, dtype=jnp.uint32)
    trained, losses = jax.jit(jax.vmap(one))(states, architectures, seeds)
    assert np.isfinite(losses).all()
    assert differs(trained.final["params"], trained.variables["params"])
    second = member((states, architectures, seeds), 1)
    alone, loss = jax.jit(one)(*second)
    assert loss == pytest.approx(float(losses[1]), rel=1e-5)
    assert_same(alone.final, member(trained.final, 1), rtol=1e-2, atol=1e-3)


def products_of_a_step(config):
    """Count the matrix products of an epoch on a GPU: all, in bfloat16, in float32."""
    recipe = make_train(NETWORK, config, samples=8)
    variables = initialise(NETWORK, jax.random.key(0))
    inputs = (recipe.init(variables), CHOSEN, images(), LABELS, jnp.uint32(0))
    program = jax.jit(recipe.epoch).trace(*inputs).lower(lowering_platforms=("cuda",)).as_text()
    lines = [
        line for line in program.splitlines() if "dot_general" in line or "convolution" in line
    ]
    rounded = sum("lhs_precision_type = bf16, rhs_precision_type = bf16" in line for line in lines)
    return len(lines), rounded, sum("HIGHEST, HIGHEST" in line for line in lines)


def test_products_in_bfloat16_on_an_accelerator(monkeypatch):
    with pytest.raises(ValueError, match="a CPU multiplies in float32"):
        products_of_a_step(TrainConfig(batch_size=4, products="bfloat16"))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    count, rounded, exact = products_of_a_step(TrainConfig(batch_size=4, products="bfloat16"))
    assert count > 6 and rounded == count and exact == 0
    assert products_of_a_step(TrainConfig(batch_size=4)) == (count, 0, count)


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("schedule", "constant", "schedule must be cosine or one-cycle-linear, not 'constant'"),
        ("products", "int8", "products must be float32 or bfloat16, not 'int8'"),
        ("warmup", 1.0, "warmup must be at least 0 and below 1, not 1.0"),
        ("average", -0.1, "average must be at least 0 and below 1"),
        (
            "label_smoothing",
            float("nan"),
            "label_smoothing must be a finite number, between 0 and 1, not nan",
        ),
        ("mixup", -1.0, "mixup must be at least 0"),
        ("temperature", 0.0, "temperature must be above 0"),
        ("batch_size", 0, "batch_size must be at least 1"),
    ],
)
def test_values_out_of_range_are_named(option, value, wanted):
    with pytest.raises(ValueError, match=wanted):
        TrainConfig(**{option: value})


def test_recipe_survives_the_saved_config():
    recipe = TrainConfig(schedule="one-cycle-linear", erase=0.2, mixup=0.1, distil=0.5)
    config = Config(retrain=RetrainConfig(train=recipe, fine_tune=TrainConfig(quantised=False)))
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config
    with pytest.raises(ValueError, match="mixup must be 0.0 in the supernet"):
        SupernetConfig(train=TrainConfig(mixup=0.2))
