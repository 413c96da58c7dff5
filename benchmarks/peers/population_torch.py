"""A PyTorch twin of the masked network at an architecture's native size, and its step time.

PyTorch is in the extra `[bench]`. Without it this module can be imported, and architectures can
be described; all that needs PyTorch raises an `InputError`.
"""

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from types import ModuleType
from typing import Any

import numpy as np

from search.spaces.convolutional import Space
from ttfs_jax.network.architecture import NetworkSpec
from ttfs_jax.support.errors import InputError

SIZES = {"conv3x3": 3, "conv5x5": 5}
Module = Any  # torch.nn.Module
Tensor = Any  # torch.Tensor


@dataclass(frozen=True)
class NativeArchitecture:
    """One architecture by its layers, without masks."""

    operators: tuple[str, ...]
    """The operator of each block, by its name in `OPERATORS`."""
    widths: tuple[int, ...]
    """Channels of each stage."""
    head: int
    """Neurons of the dense head."""


@dataclass(frozen=True)
class Timing:
    """How a network is trained while its steps are timed."""

    batch: int = 128
    """Images per step."""
    steps: int = 20
    """Steps of each repeat."""
    warm_up: int = 5
    """Steps that are not counted."""
    repeats: int = 5
    """Number of repeats; the median is reported."""
    samples: int = 2048
    """Images in memory, at least one batch."""
    shift: int = 2
    """Random shift of the augmentation, in pixels."""
    flip: bool = True
    """Mirror half of the images."""
    channels_last: bool = False
    """Keep images, activations and kernels in PyTorch's memory format `channels_last`."""
    threads: int = 2
    """Threads that PyTorch may use."""
    learning_rate: float = 3e-3
    """Learning rate of AdamW."""
    weight_decay: float = 1e-4
    """Decoupled decay of AdamW."""
    label_smoothing: float = 0.05
    """Share of the target spread over all classes."""


TIMING = Timing()


def import_peer(package: str) -> ModuleType:
    """Import a package of the extra `[bench]`. Raises: InputError if it is missing."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise InputError(
            f"{package} cannot be imported ({error}): install it by pip install 'ttfs-jax[bench]'"
        ) from error


def native(space: Space, genotype: np.ndarray) -> NativeArchitecture:
    """Describe the network that a genotype [G] of the `space` stands for.

    Its time bits have no effect.
    """
    choices = space.describe(genotype)
    blocks, stages = space.spec.blocks, len(space.spec.stage_widths)
    return NativeArchitecture(
        operators=tuple(str(choices[f"block_{n}"]) for n in range(blocks)),
        widths=tuple(int(choices[f"width_{n}"]) for n in range(stages)),
        head=int(choices["head"]),
    )


def random_images(spec: NetworkSpec, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images [N, H, W, C] within 0 … 1 and labels [N] for `spec`; `samples` is N."""
    draw = np.random.default_rng(0)
    images = draw.random((samples, *spec.image_shape), np.float32)
    return images, draw.integers(0, spec.classes, samples)


def build_torch(
    spec: NetworkSpec,
    architecture: NativeArchitecture,
    *,
    neurons: Callable[[], Module] | None = None,
) -> Module:
    """Build the network as a `Sequential`: images [B, C, H, W] -> logits [B, K].

    The layers that `Network` of `spec` has in an `architecture`, in its order, each linear map with
    a batch norm and `neurons()` behind it, by default a ReLU; the first two modules are convolution
    and norm of the stem.

    Raises: InputError without PyTorch.
    """
    torch = import_peer("torch")
    nn = torch.nn
    neurons = partial(nn.ReLU, inplace=True) if neurons is None else neurons

    def convolution(before, after, size, stride=1):
        kernel = nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False)
        return kernel, nn.BatchNorm2d(after)

    class Residual(nn.Module):
        """Two convolutions and a connection around them."""

        def __init__(self, width):
            super().__init__()
            first, second = convolution(width, width, 3), convolution(width, width, 3)
            self.path = nn.Sequential(*first, neurons(), *second)
            self.neurons = neurons()

        def forward(self, signal):
            return self.neurons(self.path(signal) + signal)

    widths, operators = architecture.widths, iter(architecture.operators)
    channels = spec.image_shape[2]
    layers = [*convolution(channels, widths[0], spec.stem_kernel, spec.stem_stride), neurons()]
    for stage, (width, blocks) in enumerate(zip(widths, spec.stage_blocks, strict=True)):
        if stage:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
            layers += [*convolution(widths[stage - 1], width, 3), neurons()]
        for _ in range(blocks):
            operator = next(operators)
            if operator == "residual":
                layers.append(Residual(width))
            elif operator != "skip":
                layers += [*convolution(width, width, SIZES[operator]), neurons()]
    height, width = spec.head_size
    area = spec.head_pool**2
    return nn.Sequential(
        *layers,
        nn.AvgPool2d(spec.head_pool, ceil_mode=True, divisor_override=area),
        nn.Flatten(),
        nn.Linear(height * width * widths[-1], architecture.head, bias=False),
        nn.BatchNorm1d(architecture.head),
        neurons(),
        nn.Linear(architecture.head, spec.classes),
    )


def batches(spec: NetworkSpec, timing: Timing) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield augmented images [B, C, H, W] and labels [B] of `spec` without end.

    `timing` gives number, batch size and augmentation. The images are padded once; one gather per
    batch takes, shifts and mirrors them.

    Raises: InputError without PyTorch.
    """
    torch = import_peer("torch")
    images, targets = map(torch.from_numpy, random_images(spec, timing.samples))
    edge = (0, 0, timing.shift, timing.shift, timing.shift, timing.shift)
    padded = torch.nn.functional.pad(images, edge)
    height, width = spec.image_shape[:2]
    lines, columns = torch.arange(height), torch.arange(width)
    layout = torch.channels_last if timing.channels_last else torch.contiguous_format
    draw = torch.Generator().manual_seed(0)
    steps = timing.samples // timing.batch
    while True:
        order = torch.randperm(timing.samples, generator=draw)
        for index in order[: steps * timing.batch].view(steps, timing.batch):
            shape = (2, timing.batch, 1)
            down, right = torch.randint(0, 2 * timing.shift + 1, shape, generator=draw)
            across = columns.expand(timing.batch, width)
            if timing.flip:
                mirrored = torch.rand((timing.batch, 1), generator=draw) < 0.5
                across = torch.where(mirrored, across.flip(1), across)
            at = index[:, None, None], (lines + down)[:, :, None], (across + right)[:, None]
            batch = padded[at].permute(0, 3, 1, 2).contiguous(memory_format=layout)
            yield batch, targets[index]


def make_step(network: Module, timing: Timing) -> Callable[[Tensor, Tensor], Tensor]:
    """Make one step of training: images [B, C, H, W], labels [B] -> loss [] before the step.

    AdamW in PyTorch's fused form, on a cross-entropy with label smoothing; `network` is changed in
    place, by the rates in `timing`.

    Raises: InputError without PyTorch.
    """
    torch = import_peer("torch")
    network.train()
    if timing.channels_last:
        network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(
        network.parameters(),
        lr=timing.learning_rate,
        weight_decay=timing.weight_decay,
        fused=True,
    )
    loss = torch.nn.CrossEntropyLoss(label_smoothing=timing.label_smoothing)

    def step(images, labels):
        optimiser.zero_grad(set_to_none=True)
        value = loss(network(images), labels)
        value.backward()
        optimiser.step()
        return value.detach()

    return step


def _seconds(network: Module, spec: NetworkSpec, timing: Timing) -> float:
    step, source = make_step(network, timing), batches(spec, timing)
    for _ in range(timing.warm_up):
        step(*next(source))
    durations = []
    for _ in range(timing.repeats):
        started = time.perf_counter()
        for _ in range(timing.steps):
            step(*next(source))
        durations.append((time.perf_counter() - started) / timing.steps)
    return median(durations)


def seconds_per_step(
    architectures: Sequence[NativeArchitecture],
    spec: NetworkSpec,
    timing: Timing = TIMING,
    *,
    build: Callable[[NetworkSpec, NativeArchitecture], Module] = build_torch,
) -> list[float]:
    """Train the architectures one after another: the seconds that a step of each takes.

    A step includes its batch. `architectures` are of `spec`, `timing` says how they are trained,
    `build_torch` makes the networks.

    Raises: InputError without PyTorch, and for fewer images than a batch.
    """
    torch = import_peer("torch")
    if timing.samples < timing.batch:
        raise InputError(f"{timing.samples} images do not fill one batch of {timing.batch}")
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(timing.threads)
    try:
        return [_seconds(build(spec, one), spec, timing) for one in architectures]
    finally:
        torch.set_num_threads(threads)
