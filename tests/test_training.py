"""The training recipe: schedule, spiking, populations, precision, against hand numbers."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax.network.architecture import Architecture, NetworkSpec
from ttfs_jax.network.conversion import calibrate, fold
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.training.config import TrainConfig
from ttfs_jax.training.optimiser import make_schedule
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


def test_schedule_by_hand():
    config = TrainConfig(learning_rate=2.0, warmup=0.2)
    rate = jax.jit(jax.vmap(make_schedule(config, 100)))
    rates = rate(jnp.array([0, 10, 20, 40, 60, 100]))
    np.testing.assert_allclose(rates, [0, 1, 2, 1 + np.cos(np.pi / 4), 1, 0], atol=1e-6)
    for steps in (1, 2):
        short = make_schedule(dataclasses.replace(config, warmup=0.0), steps)
        assert [float(short(n)) for n in (0, 1, 2)] == pytest.approx([0, 2, 0])


def spiking():
    fresh = initialise(NETWORK, jax.random.key(1))
    return jax.jit(lambda v: fold(calibrate(NETWORK, v, CHOSEN, images(), margin=0.5)))(fresh)


def test_fine_tuning_without_time_steps_or_with_fixed_windows():
    config, variables = TrainConfig(epochs=1, batch_size=4, learning_rate=0.1), spiking()
    coarse = CHOSEN.replace(time_bits=jnp.array(2))

    def tuned(chosen, **options):
        changed = dataclasses.replace(config, **options)
        return fit(changed, code="ttfs", variables=variables, chosen=chosen)[-1].variables

    usual = tuned(coarse)
    assert differs(usual["windows"], variables["windows"])
    exact = tuned(coarse, quantised=False)
    assert_same(exact, tuned(CHOSEN), rtol=1e-5, atol=1e-6)
    assert differs(exact["params"], usual["params"])
    fixed = tuned(coarse, grow_windows=False)
    assert_same(fixed["windows"], variables["windows"])


def members():
    draw = jax.vmap(lambda key: initialise(NETWORK, key))
    return jax.jit(draw)(KEYS), jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), CHOSEN)


def test_every_option_together_maps_over_a_population():
    config = TrainConfig(epochs=1, batch_size=4, balanced=True, activity_penalty=0.1)
    recipe = make_train(NETWORK, config, samples=8, shift=1, flip=True)
    variables, architectures = members()
    states = jax.jit(jax.vmap(recipe.init))(variables)

    def one(state, architecture, seed):
        return recipe.epoch(state, architecture, images(), LABELS, seed)

    seeds = jnp.arange(3, dtype=jnp.uint32)
    trained, losses = jax.jit(jax.vmap(one))(states, architectures, seeds)
    assert np.isfinite(losses).all()
    second = member((states, architectures, seeds), 1)
    alone, loss = jax.jit(one)(*second)
    assert loss == pytest.approx(float(losses[1]), rel=1e-5)
    assert_same(alone.variables, member(trained.variables, 1), rtol=1e-2, atol=1e-3)


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
        ("products", "int8", "products must be float32 or bfloat16, not 'int8'"),
        ("warmup", 1.0, "warmup must be at least 0 and below 1, not 1.0"),
        (
            "label_smoothing",
            float("nan"),
            "label_smoothing must be a finite number, between 0 and 1, not nan",
        ),
        ("weight_decay", -1.0, "weight_decay must be at least 0"),
        ("batch_size", 0, "batch_size must be at least 1"),
    ],
)
def test_values_out_of_range_are_named(option, value, wanted):
    with pytest.raises(ValueError, match=wanted):
        TrainConfig(**{option: value})
