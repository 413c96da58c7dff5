"""Convolution by either way of computing it, against XLA's own, with gradients, in both maps."""

import jax
import numpy as np
import pytest

from ttfs_jax.network import convolution
from ttfs_jax.network.convolution import convolve


def reference(x, kernel, size, stride=1):
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(size // 2, size // 2)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def arrays(size, *lead):
    key_x, key_kernel = jax.random.split(jax.random.key(size))
    x = jax.random.normal(key_x, (*lead, 2, 5, 4, 3))
    return x, jax.random.normal(key_kernel, (*lead, size, size, 3, 6))


@pytest.mark.parametrize("size", [1, 3, 5])
def test_both_ways_equal_xla_with_gradients(size):
    x, kernel = arrays(size)
    cotangent = jax.random.normal(jax.random.key(9), (2, 5, 4, 6))
    value, pull = jax.vjp(lambda x, k: reference(x, k, size), x, kernel)
    x_bar, kernel_bar = pull(cotangent)
    ways = (
        (convolution._in_xla_layout, convolution._kernel_bar_by_convolution),
        (convolution._by_products, convolution._kernel_bar_by_products),
    )
    for forward, backward in ways:
        flipped = convolution._flip(kernel)
        np.testing.assert_allclose(forward(x, kernel, size), value, atol=2e-5)
        np.testing.assert_allclose(forward(cotangent, flipped, size), x_bar, atol=5e-5)
        np.testing.assert_allclose(backward(x, cotangent, size), kernel_bar, atol=5e-5)


@pytest.mark.parametrize(("samples", "channels"), [(64, 6), (70, 6), (19, 20)])
def test_kernel_gradient_added_up_over_few_samples(samples, channels):
    keys = jax.random.split(jax.random.key(1))
    x = jax.random.normal(keys[0], (samples, 5, 4, 3))
    cotangent = jax.random.normal(keys[1], (samples, 5, 4, channels))
    added = convolution._kernel_bar_by_convolution(x, cotangent, 3)
    at_once = convolution._kernel_bar_by_products(x, cotangent, 3)
    np.testing.assert_allclose(added, at_once, atol=3e-4)


@pytest.mark.parametrize(
    ("own_images", "own_kernels"), [(True, True), (True, False), (False, True)]
)
def test_vmap_with_shared_and_own_kernels(own_images, own_kernels):
    many_x, many_kernels = arrays(3, 4)
    x, kernels = (
        many_x if own_images else many_x[0],
        many_kernels if own_kernels else many_kernels[0],
    )
    axes = (0 if own_images else None, 0 if own_kernels else None)

    def loss(function):
        return lambda x, kernel: (function(x, kernel) ** 2).sum()

    ours = jax.vmap(jax.value_and_grad(loss(convolve), (0, 1)), axes)
    theirs = jax.vmap(jax.value_and_grad(loss(lambda x, k: reference(x, k, 3)), (0, 1)), axes)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3),
        jax.jit(ours)(x, kernels),
        jax.jit(theirs)(x, kernels),
    )


def test_backward_keeps_input_and_kernel_only():
    x, kernel = arrays(5)
    _, pull = jax.vjp(convolve, x, kernel)
    kept = sum(leaf.size for leaf in jax.tree.leaves(pull))
    assert kept == x.size + kernel.size


def test_stride_equals_xla():
    x, kernel = arrays(5)
    ours = convolve(x, kernel, stride=2)
    np.testing.assert_allclose(ours, reference(x, kernel, 5, stride=2), atol=2e-5)


def test_wrong_kernel_is_named():
    x, kernel = arrays(3)
    for wrong in (kernel[:2, :2], kernel[:, :1], kernel[:, :, :2]):
        with pytest.raises(ValueError, match=r"k odd and I = 3"):
            convolve(x, wrong)
