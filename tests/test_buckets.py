"""Shape buckets: hand-counted waste, and variables that survive being cut and put back."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from search.retraining.halving import Rung, rungs
from search.spaces.registry import SPACES, make_space
from ttfs_jax.network.architecture import CONV5, SKIP, Architecture, NetworkSpec
from ttfs_jax.network.counts import multiply_adds
from ttfs_jax.network.masked import Network
from ttfs_jax.population.program import pick
from ttfs_jax.training.shapes import (
    cut_members,
    draw_variables,
    embed,
    group,
    make_grid,
    masked_waste,
)

ONLY = np.eye(4)  # one operator of a block
SPEC = NetworkSpec((4, 4, 1), 2, stage_widths=(2,), stage_blocks=(1,), head_width=3)


def one(operator, width, head, bits=0):
    return Architecture(
        np.array([operator], np.int32),
        np.array([width], np.int32),
        np.array(head, np.int32),
        np.array(bits, np.int32),
    )


def test_multiply_adds_by_hand():
    # stem 16·9·1·2, block 16·25·2·2, head 2·2·2·3, output 3·2
    assert multiply_adds(SPEC, [ONLY[CONV5]], [2], 3) == 288 + 1600 + 24 + 6
    assert multiply_adds(SPEC, [ONLY[SKIP]], [1], 3) == 144 + 12 + 6


def test_waste_by_hand():
    members = jax.tree.map(lambda *a: np.stack(a), one(CONV5, 2, 3), one(SKIP, 1, 3))
    grid = make_grid(SPEC, ((1, 2),), (3,), waste=1.0)
    useful, done = 1918 + 162, 1918 + (288 + 24 + 6)
    assert masked_waste(grid, members) == pytest.approx(1 - useful / done)
    apart = make_grid(SPEC, ((1, 2),), (3,), waste=0.0)
    assert masked_waste(apart, members) == 0
    every = 2 * (288 + 16 * (9 + 25 + 18) * 4 + 24 + 6)
    assert masked_waste(grid, members, every_operator=True) == pytest.approx(1 - useful / every)


@pytest.mark.parametrize("name", [n for n, one in SPACES.items() if one.strategy == "inherited"])
def test_grid_keeps_the_waste_it_is_given(name):
    space = make_space(name, (28, 28, 1), 10)
    drawn = np.asarray(space.sample(jax.random.key(0), 2000))
    members = jax.tree.map(np.asarray, jax.vmap(space.decode)(jnp.asarray(drawn)))
    sizes = []
    for waste in (0.0, 0.05, 0.3, 1.0):
        grid = make_grid(space.spec, *space.grid_choices, waste=waste)
        assert masked_waste(grid, members) <= waste + 0.02
        buckets = group(grid, members)
        assert sorted(np.concatenate(list(buckets.values()))) == list(range(2000))
        sizes.append(len(buckets))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1


def test_too_wide_a_member_is_refused():
    grid = make_grid(SPEC, ((1,),), (3,), waste=0.0)
    with pytest.raises(ValueError, match="above the largest tier"):
        grid.shape([2], 3)


SMALL = dataclasses.replace(SPEC, stage_widths=(1,), head_width=2)


@pytest.mark.slow
def test_cut_and_embedded_variables_compute_the_same():
    spec = NetworkSpec((6, 6, 2), 3, stage_widths=(4, 6), stage_blocks=(1, 1), head_width=6)
    shape = dataclasses.replace(spec, stage_widths=(2, 3), head_width=4)
    architecture = Architecture(jnp.array([2, 3]), jnp.array([2, 3]), jnp.array(4), jnp.array(4))
    variables = draw_variables(spec, architecture, jax.random.key(0))
    stack = jax.tree.map(lambda leaf: np.asarray(leaf)[None], variables)
    small = cut_members(stack, spec, shape)
    images = jax.random.uniform(jax.random.key(1), (5, 6, 6, 2))

    @partial(jax.jit, static_argnums=(0, 2))
    def logits(spec, variables, code):
        return Network(spec).apply(variables, images, architecture, code=code).logits

    for code in ("relu", "ttfs"):
        whole = logits(spec, variables, code)
        part = logits(shape, pick(small, 0), code)
        np.testing.assert_allclose(part, whole, rtol=1e-4, atol=1e-5)
    back = embed(small, shape, spec)
    again = logits(spec, pick(back, 0), "relu")
    np.testing.assert_allclose(again, whole, rtol=1e-4, atol=2e-1)
    jax.tree.map(np.testing.assert_array_equal, cut_members(back, spec, shape), small)
    assert (back["params"]["stem"]["scale"] == 1).all()
    assert (back["params"]["stem"]["kernel"][0, ..., 2:] == 0).all()
    assert (back["params"]["entry_0"]["kernel"][0, :, :, 2:] == 0).all()


def test_fresh_kernels_have_the_spread_of_their_own_fan_in():
    spec = NetworkSpec((8, 8, 1), 3, stage_widths=(64,), stage_blocks=(1,), head_width=8)
    architecture = Architecture(jnp.array([2]), jnp.array([16]), jnp.array(8), jnp.array(0))
    variables = draw_variables(spec, architecture, jax.random.key(0))
    own = cut_members(
        jax.tree.map(lambda leaf: np.asarray(leaf)[None], variables),
        spec,
        dataclasses.replace(spec, stage_widths=(16,)),
    )
    kernel = own["params"]["block_0"]["first"]["kernel"]
    assert kernel.std() == pytest.approx(np.sqrt(2 / (25 * 16)), rel=0.05)


def test_rungs_by_hand():
    assert rungs(8, 10, 1) == ()
    assert rungs(8, 10, 2) == (Rung(1, 4), Rung(2, 2), Rung(4, 1))
    assert rungs(10, 9, 3) == (Rung(1, 4), Rung(3, 2))
