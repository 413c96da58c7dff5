"""Single NIR nodes: pools written, exact at odd borders; kernels and factors read."""

from typing import Any

import numpy as np

from ttfs_jax.network.kinds import Shape
from ttfs_jax.support.errors import InputError

KIND, SIZE = "kind", "size"  # metadata of a graph that represents a layer of a plan


def taps(size: int, weights: dict[int, float], channels: int) -> np.ndarray:
    """Make kernels that see blocks of size × size of each channel alone: [C, C, 2s − 1, 2s − 1].

    `weights` are by place in the block, row by row. With stride s and a border of s − 1 the block
    begins at the kernel's centre, and an odd border counts as silent, as in a plan. NIR 1.0.8 takes
    a kernel for each group of channels for one with fewer inputs, hence the zeros.
    """
    kernel = np.zeros((channels, channels, 2 * size - 1, 2 * size - 1), np.float32)
    for place, weight in weights.items():
        row, column = divmod(place, size)
        kernel[:, :, size - 1 + row, size - 1 + column] = weight * np.eye(channels)
    return kernel


def block_conv(
    nir: Any, sizes: tuple[int, ...], size: int, weights: dict[int, float], **rest: Any
) -> Any:
    """Make the `Conv2d` of `taps`, of a `size` s and `weights`: [C, H, W] -> [C, ⌈H/s⌉, ⌈W/s⌉].

    `nir` is the package, `sizes` are C, H, W, and `rest` are further arguments of the node.
    """
    channels, border = sizes[0], size - 1
    return nir.Conv2d(
        input_shape=sizes[1:],
        weight=taps(size, weights, channels),
        stride=(size, size),
        padding=(border, border),
        dilation=(1, 1),
        groups=1,
        bias=np.zeros(channels, np.float32),
        **rest,
    )


def average(nir: Any, sizes: tuple[int, ...], size: int) -> Any:
    """Make the mean over blocks of [C, H, W], or of the one position of [C].

    `nir` is the package, `sizes` are C, H, W or C, and `size` is the edge of the blocks.
    """
    metadata, area = {KIND: "average_pool", SIZE: size}, size**2
    if len(sizes) == 1:
        return nir.Scale(np.full(sizes, 1 / area), metadata=metadata)
    if sizes[1] % size or sizes[2] % size:
        return block_conv(nir, sizes, size, dict.fromkeys(range(area), 1 / area), metadata=metadata)
    edge = np.array([size, size])
    return nir.AvgPool2d(kernel_size=edge, stride=edge, padding=0 * edge, metadata=metadata)


def earliest_graph(nir: Any, sizes: tuple[int, ...], size: int) -> Any:
    """Make a graph that lets the largest rate of each block of [C, H, W] through.

    `nir` is the package, `sizes` are C, H, W, and `size` is the edge of the blocks.

    For a block x_0 … x_n: r_1 = relu(x_0 − x_1), r_j = relu(r_{j−1} + x_{j−1} − x_j), and x_n + r_n
    is the largest, since max(a, b) = b + relu(a − b).
    """
    last = size**2 - 1
    pooled = (sizes[0], -(-sizes[1] // size), -(-sizes[2] // size))
    ones = np.ones(pooled)
    nodes: dict[str, Any] = {"input": nir.Input(np.array(sizes))}
    nodes["last"] = block_conv(nir, sizes, size, {last: 1.0})
    nodes["output"] = nir.Output(np.array(pooled))
    edges = [("input", "last"), ("last", "output")]
    before = ""
    for place in range(1, last + 1):
        difference, larger = f"difference_{place}", f"larger_{place}"
        nodes[difference] = block_conv(nir, sizes, size, {place - 1: 1.0, place: -1.0})
        nodes[larger] = nir.IF(r=ones, v_threshold=ones, v_reset=0 * ones)
        edges += [("input", difference), (difference, larger)]
        edges += [(before, larger)] if before else []
        before = larger
    edges += [(before, "output")] if before else []
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata={KIND: "earliest_pool", SIZE: size})


def per_channel(name: str, values: Any) -> np.ndarray:
    """Return one number for each channel of `values` [C] or [C, H, W] of the node `name`.

    Raises: InputError for values that differ from position to position.
    """
    values = np.asarray(values, float)
    rows = values.reshape(len(values), -1)
    if (rows != rows[:, :1]).any():
        raise InputError(f"node {name} differs from position to position: only channels may differ")
    return rows[:, 0]


def centred_kernel(name: str, node: Any, shape: Shape) -> tuple[np.ndarray, int]:
    """Return a kernel [k, k, I, O], k odd, equivalent to a `Conv2d`, and its stride.

    `node` is the `Conv2d`, called `name` in messages, and `shape` that of its input. A plan's
    kernel has a border of k // 2; that of the node is put into one large enough.
    """
    weight, groups = np.asarray(node.weight, float), int(node.groups)
    outputs, inputs, *edges = weight.shape
    strides = np.unique(np.broadcast_to(node.stride, 2))
    if len(strides) > 1 or np.any(np.asarray(node.dilation) != 1):
        raise InputError(f"node {name}: strides must be equal, and dilations 1")
    stride, borders = int(strides[0]), node.padding
    if same := isinstance(borders, str) and borders == "same":
        borders = [(edge - 1) // 2 for edge in edges]
    borders = np.broadcast_to(0 if isinstance(borders, str) else borders, 2)
    for size, edge, border in zip(shape[:2], edges, borders, strict=True):
        positions = size if same else (size + 2 * border - edge) // stride + 1
        if positions != -(-size // stride):
            raise InputError(
                f"node {name} makes {positions} positions of {size} with stride {stride}, a plan "
                f"makes {-(-size // stride)}: add padding"
            )
    reach = max(max(b, edge - 1 - b) for b, edge in zip(borders, edges, strict=True))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1, inputs * groups, outputs))
    rows, columns = (slice(reach - b, reach - b + e) for b, e in zip(borders, edges, strict=True))
    own = outputs // groups
    for group in range(groups):
        own_inputs = slice(group * inputs, (group + 1) * inputs)
        own_outputs = slice(group * own, (group + 1) * own)
        kernel[rows, columns, own_inputs, own_outputs] = weight[own_outputs].transpose(2, 3, 1, 0)
    return kernel, stride
