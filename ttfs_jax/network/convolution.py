"""Convolution that is fast inside a compiled loop, on a CPU and on an accelerator.

XLA's CPU back end runs a convolution at full speed only in one layout, and inside a loop it does
not rewrite others into it: so the two backward products are written as convolutions in that layout
too. Where members have their own kernels (`vmap`, accelerators), a convolution is one matrix
product for each row of the kernel. So is a 5 × 5 one on a CPU: with jaxlib 0.10 XLA's own gives
wrong values, different ones each time, when several CPU devices run a long loop of them side by
side. Either way the backward pass keeps input and kernel only.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap


def _pad_same(x, size):
    reach = size // 2
    return jnp.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)))


def _columns(x, size):
    """[B, H, W, I] -> [B, H + 2 (k // 2), W, k I]: each pixel with its neighbours in the row."""
    padded = _pad_same(x, size)
    width = x.shape[2]
    return jnp.concatenate([padded[:, :, j : j + width] for j in range(size)], -1)


def _by_products(x, kernel, size):
    columns, rows = _columns(x, size), kernel.reshape(size, -1, kernel.shape[-1])
    height = x.shape[1]
    return sum(columns[:, i : i + height] @ rows[i] for i in range(size))


def _kernel_bar_by_products(x, cotangent, size):
    columns, height = _columns(x, size), x.shape[1]
    flat = cotangent.reshape(-1, cotangent.shape[-1])
    rows = [columns[:, i : i + height].reshape(flat.shape[0], -1).T @ flat for i in range(size)]
    return jnp.concatenate(rows).reshape(size, size, -1, flat.shape[-1])


def _in_xla_layout(x, kernel, size):
    """Convolve [B, H, W, I] by [h, w, I, O] with a border of k // 2: the layout that is fast."""
    reach = size // 2
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), [(reach, reach)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _kernel_bar_of_few(x, cotangent, size):
    # Channels take the place of the batch, and the batch that of the channels.
    images, window = x.transpose(3, 1, 2, 0), cotangent.transpose(1, 2, 0, 3)
    return _in_xla_layout(images, window, size).transpose(1, 2, 0, 3)  # from [I, k, k, O]


def _kernel_bar_by_convolution(x, cotangent, size):
    """Add up over a few samples at a time: over a whole batch it takes up to five times as long."""
    few = 32 if cotangent.shape[-1] <= 16 else 8  # the fastest, measured with 8 to 48 channels
    parts = x.shape[0] // few
    if parts < 2:
        return _kernel_bar_of_few(x, cotangent, size)

    def add(total, part):
        few_x, few_cotangents = part
        return total + _kernel_bar_of_few(few_x, few_cotangents, size), None

    def split(array):
        return array[: parts * few].reshape(parts, few, *array.shape[1:])

    start = _kernel_bar_of_few(x[parts * few :], cotangent[parts * few :], size)
    return jax.lax.scan(add, start, (split(x), split(cotangent)))[0]


@cache
def _forward(size):
    @custom_vmap
    def convolve(x, kernel):
        return jax.lax.platform_dependent(
            x,
            kernel,
            cpu=partial(_in_xla_layout if size <= 3 else _by_products, size=size),
            default=partial(_by_products, size=size),
        )

    @convolve.def_vmap
    def _(members, batched, x, kernel):
        if batched[1]:
            each = jax.vmap(partial(_by_products, size=size), (0 if batched[0] else None, 0))
            return each(x, kernel), True
        # A shared kernel: the members are one larger batch.
        joined = convolve(x.reshape(-1, *x.shape[2:]), kernel)
        return joined.reshape(members, -1, *joined.shape[1:]), True

    return convolve


@cache
def _kernel_bar(size):
    @custom_vmap
    def kernel_bar(x, cotangent):
        return jax.lax.platform_dependent(
            x,
            cotangent,
            cpu=partial(_kernel_bar_by_convolution, size=size),
            default=partial(_kernel_bar_by_products, size=size),
        )

    @kernel_bar.def_vmap
    def _(_, batched, x, cotangent):
        axes = tuple(0 if mapped else None for mapped in batched)
        return jax.vmap(partial(_kernel_bar_by_products, size=size), axes)(x, cotangent), True

    return kernel_bar


def _flip(kernel):
    """Turn the kernel [k, k, I, O] into the one [k, k, O, I] that carries gradients back."""
    return kernel[::-1, ::-1].transpose(0, 1, 3, 2)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve_same(x, kernel, size):
    return _forward(size)(x, kernel)


def _convolve_same_fwd(x, kernel, size):
    return _convolve_same(x, kernel, size), (x, kernel)


def _convolve_same_bwd(size, residuals, cotangent):
    x, kernel = residuals
    x_bar = _convolve_same(cotangent, _flip(kernel), size)
    return x_bar, _kernel_bar(size)(x, cotangent)


_convolve_same.defvjp(_convolve_same_fwd, _convolve_same_bwd)


def unfold(x: jax.Array, *, size: int, stride: int = 1) -> jax.Array:
    """Gather the `size` × `size` square of inputs of each output of a convolution.

    Shapes: x [B, H, W, I] -> [B, ⌈H/s⌉, ⌈W/s⌉, k k I] (rows, then columns, then channels) with k =
    `size`, s = `stride`; 0 beyond the border.
    """
    padded = _pad_same(x, size)
    height, width = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    patches = [
        padded[:, i : i + stride * height : stride, j : j + stride * width : stride]
        for i in range(size)
        for j in range(size)
    ]
    return jnp.concatenate([p[:, :height, :width] for p in patches], -1)


def _convolve_strided(x, kernel, size, stride):
    return unfold(x, size=size, stride=stride) @ kernel.reshape(-1, kernel.shape[-1])


def convolve(x: jax.Array, kernel: jax.Array, *, stride: int = 1) -> jax.Array:
    """Convolve images with a square kernel, zero-padded by k // 2 on every side.

    y[h, w] = Σ_ij x[s h + i − k//2, s w + j − k//2] K[i, j]; the output is ⌈H/s⌉ × ⌈W/s⌉.

    Shapes: x [B, H, W, I], kernel [k, k, I, O] -> [B, ⌈H/s⌉, ⌈W/s⌉, O] with the stride s. Given
    charges, the zero padding is silence: a neuron beyond the border.
    Raises: ValueError for a kernel that is even, not square, or does not fit the input's channels.
    """
    size = kernel.shape[0]
    if size % 2 == 0 or kernel.shape[:-1] != (size, size, x.shape[-1]):
        raise ValueError(
            f"convolve needs a kernel [k, k, I, O] with k odd and I = {x.shape[-1]} as the input "
            f"has; it is {kernel.shape}"
        )
    if stride == 1:
        return _convolve_same(x, kernel, size)
    return _convolve_strided(x, kernel, size, stride)


def inner_kernel(kernel: jax.Array, *, inner: int) -> jax.Array:
    """Cut the centre of a kernel: the 3 × 3 that lives inside a shared 5 × 5.

    Shapes: kernel [k, k, I, O] -> [inner, inner, I, O].
    Source: elastic kernels of Once-for-All, Cai et al. 2020 (arXiv:1908.09791).
    """
    edge = (kernel.shape[0] - inner) // 2
    return kernel[edge : edge + inner, edge : edge + inner]
