"""Networks beside their NIR graphs: images, output potentials, and the rates of a graph."""

from functools import partial

import jax
import jax.numpy as jnp
import nir
import numpy as np


def images(plan):
    pixels = np.random.default_rng(1).uniform(-0.3, 1.0, (4, *plan.image_shape))
    return np.maximum(pixels, 0.0)


def readouts(model, x, code="relu"):
    exact = model.architecture.replace(time_bits=jnp.zeros_like(model.architecture.time_bits))
    return jax.jit(partial(model.network.apply, code=code))(model.variables, x, exact).readouts


def convolved(node, x):
    """Correlate [C, H, W] with the kernels of a `Conv2d`."""
    height, width = node.weight.shape[2:]
    same = isinstance(node.padding, str)
    top, left = (height // 2, width // 2) if same else node.padding
    padded, stride = np.pad(x, ((0, 0), (top, top), (left, left))), node.stride[0]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (1, 2))
    windows = windows[:, ::stride, ::stride]
    groups = np.split(windows, node.groups)
    weights = np.split(node.weight, node.groups)
    parts = [np.einsum("chwij,ocij->ohw", w, k) for w, k in zip(groups, weights, strict=True)]
    return np.concatenate(parts) + node.bias[:, None, None]


def rates(graph, x):
    """Compute the mean outputs of a graph under a constant input, by the definitions of NIR."""
    values = {}

    def value(name):
        if name in values:
            return values[name]
        node = graph.nodes[name]
        heard = [value(source) for source, target in graph.edges if target == name]
        total = sum(heard[1:], heard[0]) if heard else x
        if isinstance(node, nir.Conv2d):
            total = convolved(node, total)
        elif isinstance(node, nir.Affine):
            total = node.weight @ total + node.bias
        elif isinstance(node, nir.Linear):
            total = node.weight @ total
        elif isinstance(node, nir.IF):
            total = np.maximum(0, node.r * total) / node.v_threshold
        elif isinstance(node, nir.Scale):
            total = total * node.scale
        elif isinstance(node, nir.Flatten):
            total = total.ravel()
        elif isinstance(node, nir.AvgPool2d):
            (size, _), (channels, height, width) = node.kernel_size, total.shape
            total = total.reshape(channels, height // size, size, width // size, size).mean((2, 4))
        elif isinstance(node, nir.NIRGraph):
            total = rates(node, total)["output"]
        values[name] = total
        return total

    return {name: value(name) for name, node in graph.nodes.items() if isinstance(node, nir.Output)}
