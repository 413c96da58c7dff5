"""Convolution as shifted rows and matrix products: fast inside a scan, lean in memory.

`lax.conv` inside a compiled loop falls back to a slow path on the CPU. Here the k columns of a
neighbourhood are laid side by side once, and k matrix products, one for each row, are added up.
The backward pass keeps the input and the kernel only, never the patches.
"""

from functools import partial

import jax
import jax.numpy as jnp


def _pad_same(x, size):
    reach = size // 2
    return jnp.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)))


def _columns(x, size):
    """[B, H, W, I] -> [B, H + 2 (k // 2), W, k I]: each pixel with its neighbours in the row."""
    padded = _pad_same(x, size)
    width = x.shape[2]
    return jnp.concatenate([padded[:, :, j : j + width] for j in range(size)], -1)


def _flip(kernel, size):
    """Turn the kernel [k k I, O] into the one [k k O, I] that carries gradients back."""
    square = kernel.reshape(size, size, -1, kernel.shape[-1])[::-1, ::-1]
    return square.transpose(0, 1, 3, 2).reshape(-1, square.shape[2])


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve_same(x, kernel, size):
    columns, rows = _columns(x, size), kernel.reshape(size, -1, kernel.shape[-1])
    height = x.shape[1]
    return sum(columns[:, i : i + height] @ rows[i] for i in range(size))


def _convolve_same_fwd(x, kernel, size):
    return _convolve_same(x, kernel, size), (x, kernel)


def _convolve_same_bwd(size, residuals, cotangent):
    x, kernel = residuals
    columns, height = _columns(x, size), x.shape[1]
    flat = cotangent.reshape(-1, cotangent.shape[-1])
    kernel_bar = jnp.concatenate(
        [columns[:, i : i + height].reshape(flat.shape[0], -1).T @ flat for i in range(size)]
    )
    return _convolve_same(cotangent, _flip(kernel, size), size), kernel_bar


_convolve_same.defvjp(_convolve_same_fwd, _convolve_same_bwd)


def _convolve_strided(x, kernel, size, stride):
    padded = _pad_same(x, size)
    height, width = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    patches = [
        padded[:, i : i + stride * height : stride, j : j + stride * width : stride]
        for i in range(size)
        for j in range(size)
    ]
    return jnp.concatenate([p[:, :height, :width] for p in patches], -1) @ kernel


def convolve(x: jax.Array, kernel: jax.Array, *, size: int, stride: int = 1) -> jax.Array:
    """Convolve images with a square kernel, zero-padded by k // 2 on every side.

    y[h, w] = Σ_ij x[s h + i − k//2, s w + j − k//2] K[i, j]; the output is ⌈H/s⌉ × ⌈W/s⌉.

    Shapes: x [B, H, W, I], kernel [k k I, O] (rows, then columns, then channels) -> [B, ⌈H/s⌉,
    ⌈W/s⌉, O]. Given charges, the zero padding is silence: a neuron beyond the border.
    Raises: ValueError for an even kernel or one that does not fit the input's channels.
    """
    if size % 2 == 0 or kernel.shape[0] != size * size * x.shape[-1]:
        raise ValueError(
            f"convolve needs an odd kernel size k and a kernel [k k I, O]; got k = {size}, "
            f"kernel {kernel.shape} and {x.shape[-1]} input channels"
        )
    if stride == 1:
        return _convolve_same(x, kernel, size)
    return _convolve_strided(x, kernel, size, stride)


def inner_kernel(kernel: jax.Array, *, size: int, inner: int) -> jax.Array:
    """Cut the centre of a kernel: the 3 × 3 that lives inside a shared 5 × 5.

    Shapes: kernel [size size I, O] -> [inner inner I, O].
    Source: elastic kernels of Once-for-All, Cai et al. 2020 (arXiv:1908.09791).
    """
    edge = (size - inner) // 2
    square = kernel.reshape(size, size, -1, kernel.shape[-1])
    return square[edge : edge + inner, edge : edge + inner].reshape(-1, kernel.shape[-1])
