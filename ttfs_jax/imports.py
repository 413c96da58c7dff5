"""ReLU networks trained elsewhere: their arrays become the variables of a plan's network.

    variables = from_arrays(
        plan, {"stem": {"kernel": kernel, "bias": bias}, "classes": {"kernel": last}}
    )
    variables = calibrate(network, variables, architecture, images, batch_statistics=False)

Layouts are those of flax: kernels [k, k, I, O] of a convolution, [I, O] of a dense layer, whose
inputs are in the order row, column, channel; PyTorch has [O, I, k, k], [O, I] and channel, row,
column. Padding is k // 2 on each side, which is `"SAME"` for stride 1 only; with another stride,
give flax `padding=k // 2`.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ttfs_jax.network.kinds import Layer
from ttfs_jax.network.layers import over_channels, with_layer
from ttfs_jax.network.masked import Network, Variables, initialise
from ttfs_jax.network.plan import Plan
from ttfs_jax.support.errors import InputError, unknown

Arrays = Mapping[str, Any]
NORM_EPSILON = 1e-5  # of batch norms in flax and PyTorch
PYTORCH = {4: ((2, 3, 1, 0), "[O, I, k, k]"), 2: ((1, 0), "[O, I]")}  # axes of its kernels


def from_arrays(plan: Plan, arrays: Mapping[str, Arrays]) -> Variables:
    """Make variables of a plan's network from kernels, biases and batch norms by layer name.

    For every layer with weights: `kernel` in the layout above; `bias` [O], 0 if left out; `norm`,
    if it has one behind the kernel, with `mean` and `var` [O], and `scale`, `bias` and `epsilon`,
    1, 0 and 1e-5 if left out. A neuron is then relu(scale (V + bias_kernel − mean) / √(var +
    epsilon) + bias), V the charge, so that `conversion.fold` folds the norm exactly; that of a
    read-out is folded at once. Layers with a gene take arrays of their largest size.

    Windows are 1 until `conversion.calibrate(..., batch_statistics=False)` chooses them.

    Returns float arrays, of 64 bits where JAX has them enabled.
    Raises: InputError for a layer that is missing, not in the plan, or whose arrays have another
    shape; it says where PyTorch's order fits. The same for NaN, and for var + epsilon ≤ 0.

    Examples:
        >>> import numpy as np
        >>> from ttfs_jax import Plan
        >>> from ttfs_jax.network.kinds import dense, readout
        >>> plan = Plan((4, 4, 1), (dense("head", 8), readout("classes", 3)))
        >>> head, classes = {"kernel": np.ones((16, 8))}, {"kernel": np.ones((8, 3))}
        >>> variables = from_arrays(plan, {"head": head, "classes": classes})
        >>> variables["params"]["head"]["bias"].shape
        (8,)
    """
    shapes = jax.eval_shape(lambda: initialise(Network(plan), jax.random.key(0)))
    variables = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, float), shapes)
    weighted = {layer.name: layer for layer in plan if layer.weighted}
    for name in arrays:
        if name not in weighted:
            raise unknown("layer with weights", name, weighted)
    params, windows = variables["params"], variables["windows"]
    statistics = variables.get("statistics", {})  # a plan without weighted neurons has none
    for name, layer in weighted.items():
        if name not in arrays:
            expected = list(plan.kernel_shape(layer))
            raise InputError(f"the arrays of layer {name} are missing: give a kernel {expected}")
        own, norm = _layer(layer, plan.kernel_shape(layer), arrays[name])
        params = with_layer(params, name, own)
        if layer.spiking:
            statistics = with_layer(statistics, name, norm)
        else:
            windows = with_layer(windows, name, {"window": jnp.ones(()), "shift": jnp.zeros(())})
    changed = {"params": params, "statistics": statistics, "windows": windows}
    return {name: changed[name] for name in variables}


def from_flax(
    plan: Plan,
    tree: Mapping[str, Any],
    *,
    paths: Mapping[str, str] | None = None,
    norms: Mapping[str, str] | None = None,
    epsilon: float = NORM_EPSILON,
) -> Variables:
    """Make variables of a plan's network from those of a `flax.linen` one.

    `tree` has `params`, and `batch_stats` if there are batch norms. `paths` maps names in the plan
    to `Conv` or `Dense` modules in the tree, such as {"stem": "encoder/Conv_0"}; layers left out
    have the same name there. `norms` maps to the `BatchNorm` after a layer in the same way;
    layers left out have none. `epsilon` is that of the batch norms.

    Returns what `from_arrays` does, for the same arrays. Raises: InputError as `from_arrays`, for
    an unknown path, and for modules in the tree that no layer uses.
    """
    paths, norms = dict(paths or {}), dict(norms or {})
    weighted = [layer.name for layer in plan if layer.weighted]
    for name in (*paths, *norms):
        if name not in weighted:
            raise unknown("layer with weights", name, weighted)
    modules, statistics = _modules(tree.get("params", tree)), _modules(tree.get("batch_stats", {}))
    arrays, taken = {}, set()
    for name in weighted:
        path = paths.get(name, name)
        if path not in modules:
            raise unknown(f"module for layer {name}", path, modules)
        arrays[name] = dict(modules[path])
        taken.add(path)
        if name in norms:
            norm = norms[name]
            if not statistics:
                raise InputError(
                    f"batch norm {norm!r} of layer {name}: the tree has no batch_stats: give "
                    '{"params": ..., "batch_stats": ...}, as init and apply do'
                )
            if norm not in statistics:
                raise unknown(f"batch norm for layer {name}", norm, statistics)
            arrays[name]["norm"] = {**modules.get(norm, {}), **statistics[norm], "epsilon": epsilon}
            taken.add(norm)
    if unused := sorted({*modules, *statistics} - taken):
        raise InputError(
            f"no layer takes {', '.join(unused)}: name them in paths or norms, or add their layers "
            "to the plan"
        )
    return from_arrays(plan, arrays)


def _modules(tree: Arrays, path: str = "") -> dict[str, Arrays]:
    """List the modules of a tree that hold arrays, by path."""
    modules: dict[str, Arrays] = {}
    own: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            modules |= _modules(value, f"{path}/{name}" if path else name)
        else:
            own[name] = value
    return modules | ({path: own} if own else {})


def _layer(layer: Layer, shape: tuple[int, ...], arrays: Arrays) -> tuple[dict, dict]:
    """Return one layer's parameters and statistics."""
    name, outputs = layer.name, shape[-1:]
    _require_known(name, arrays, ("kernel", "bias", "norm"))
    kernel = _array(name, "kernel", arrays, shape)
    bias = _array(name, "bias", arrays, outputs, default=0.0)
    norm = arrays.get("norm")
    scale, offset = jnp.ones(outputs, float), bias
    mean, std = jnp.zeros(outputs, float), jnp.ones(outputs, float)
    if norm is not None:
        _require_known(f"{name} norm", norm, ("scale", "bias", "mean", "var", "epsilon"))
        scale = _array(name, "scale", norm, outputs, default=1.0)
        offset = _array(name, "bias", norm, outputs, default=0.0)
        mean = _array(name, "mean", norm, outputs) - bias
        spread = _array(name, "var", norm, outputs) + norm.get("epsilon", NORM_EPSILON)
        if not (spread > 0).all():
            raise InputError(f"layer {name}: var + epsilon must be positive")
        std = jnp.sqrt(spread)
    if layer.spiking:
        params = {"kernel": kernel, "scale": scale, "bias": offset}
        return params, {"mean": mean, "std": std}
    gain = scale / std
    folded = kernel * over_channels(gain, kernel.ndim)
    return {"kernel": folded, "bias": offset - mean * gain}, {}


def _require_known(name: str, arrays: Arrays, known: tuple[str, ...]) -> None:
    for key in arrays:
        if key not in known:
            raise unknown(f"array of layer {name}", key, known)


def _array(
    layer: str, key: str, arrays: Arrays, shape: tuple[int, ...], *, default: float | None = None
) -> jax.Array:
    """Return one array, checked. Raises: InputError."""
    if key not in arrays:
        if default is None:
            raise InputError(f"layer {layer}: {key} {list(shape)} is missing")
        return jnp.full(shape, default, float)
    array = np.asarray(arrays[key])
    if array.shape != shape:
        raise InputError(
            f"layer {layer}: {key} must be {list(shape)}, not {list(array.shape)}"
            f"{_hint(array, shape)}"
        )
    if not np.isfinite(array).all():
        raise InputError(f"layer {layer}: {key} holds NaN or infinity")
    return jnp.asarray(array, float)


def _hint(array: np.ndarray, shape: tuple[int, ...]) -> str:
    """Say what would make an array fit, if there is a simple fix."""
    axes, order = PYTORCH.get(len(shape), ((), ""))
    if array.ndim == len(shape) > 1 and array.transpose(axes).shape == shape:
        flat = ", and order its inputs by row, column, channel" if len(shape) == 2 else ""
        return f": it is in PyTorch's order {order}, so transpose{axes} it{flat}"
    return ": it has as many numbers, so reshape it" if array.size == prod(shape) else ""
