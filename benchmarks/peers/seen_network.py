"""SEEN, the published network for this task, after its description and public source code.

Zhang et al. 2023, "In the Blink of an Eye: Event-based Emotion Recognition"
(arXiv:2310.04043): a convolutional branch sees the first and last intensity frame, a spiking
branch with copies of its weights sees the event frames.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from ttfs_jax.network.counts import fan_out

THRESHOLD, DECAY, HALF_WIDTH = 0.3, 0.2, 0.5
KERNELS = (3, 5, 7)
WIDTHS = (64, 256, 512)
HIDDEN = 256


@jax.custom_vjp
def _spike(potential):
    return (potential > THRESHOLD).astype(potential.dtype)


def _fwd(potential):
    return _spike(potential), potential


def _bwd(potential, gradient):
    near = jnp.abs(potential - THRESHOLD) < HALF_WIDTH
    return (gradient * near,)


_spike.defvjp(_fwd, _bwd)


def spike(potential: jax.Array) -> jax.Array:
    """Spike above the threshold 0.3; the surrogate gradient is 1 within 0.5 of it.

    Shapes: potential [...] -> [...] of 0 and 1.
    Source: Zhang et al. 2023 (arXiv:2310.04043), public source code.
    """
    return _spike(potential)


class SeenLayer(NamedTuple):
    """A layer of leaky integrate-and-fire neurons."""

    potential: jax.Array
    spikes: jax.Array

    def step(self, current: jax.Array) -> "SeenLayer":
        """Integrate a current x, and spike: v ← 0.2 v (1 − s) + x.

        Shapes: `current` as the potential.
        """
        potential = DECAY * self.potential * (1.0 - self.spikes) + current
        return SeenLayer(potential, spike(potential))


class SeenCosts(NamedTuple):
    """The cost of an eye clip, in numbers of operations; every field []."""

    dense: jax.Array  # multiply-adds on analogue values
    synops: jax.Array  # additions that spikes cause


def plane_sizes(size: int) -> tuple[int, int, int]:
    """Return the edges of the three feature planes: strides 2, 2 and 4.

    `size` is the edge of the frames.
    """
    first = (size - 1) // 2 + 1
    second = (first - 1) // 2 + 1
    return first, second, (second - 1) // 4 + 1


def multiply_adds(size: int, frames: int, *, channels: int = 3) -> dict[str, int]:
    """Count multiply-adds of one eye clip, layer by layer, if every input were dense.

    Frames have an edge of `size` pixels and several `channels`; `frames` of them go through the
    spiking branch.
    """
    first, second, third = plane_sizes(size)
    passes = 1 + frames
    return {
        "pair": 2 * channels * channels * size**2,
        "first": passes * sum(k * k for k in KERNELS) * channels * WIDTHS[0] * first**2,
        "joined": passes * len(KERNELS) * WIDTHS[0] ** 2 * first**2,
        "second": passes * 9 * WIDTHS[0] * WIDTHS[1] * second**2,
        "third": passes * 9 * WIDTHS[1] * WIDTHS[2] * third**2,
        "hidden": frames * WIDTHS[2] * third**2 * HIDDEN,
    }


def _torch_uniform(fan_in: int):
    """Initialise as PyTorch does by default: uniform within ±1/√fan-in."""
    bound = fan_in**-0.5
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(
        key, shape, dtype, -bound, bound
    )


class Convolution(nn.Module):
    """A convolution whose kernel can be used a second time, without bias and without gradient."""

    channels: int
    width: int
    size: int
    stride: int = 1

    def setup(self):
        """Declare kernel and bias."""
        start = _torch_uniform(self.size**2 * self.channels)
        self.kernel = self.param("kernel", start, (self.size, self.size, self.channels, self.width))
        self.bias = self.param("bias", start, (self.width,))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolve with bias: [B, H, W, C] -> [B, H/stride, W/stride, width]."""
        return self._convolve(x, self.kernel) + self.bias[None, None, None]

    def copy(self, x: jax.Array) -> jax.Array:
        """Convolve `x` [B, H, W, C] with the copied kernel."""
        return jax.lax.stop_gradient(self._convolve(x, jax.lax.stop_gradient(self.kernel)))

    def _convolve(self, x, kernel):
        edge = self.size // 2
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            (self.stride, self.stride),
            ((edge, edge), (edge, edge)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )


class Squeeze(nn.Module):
    """One number, the weight of a kernel size."""

    @nn.compact
    def __call__(self, x: jax.Array, *, training: bool) -> jax.Array:
        """Pool, squeeze, normalise: [B, H, W, 64] -> [B]."""
        x = x.mean((1, 2))
        start = _torch_uniform(x.shape[-1])
        x = nn.Dense(x.shape[-1] // 8, kernel_init=start, bias_init=start)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not training, momentum=0.9)(x))
        start = _torch_uniform(x.shape[-1])
        return nn.Dense(1, kernel_init=start, bias_init=start)(x)[:, 0]


class Seen(nn.Module):
    """SEEN: the mean membrane potential of the output neurons is the logit."""

    classes: int = 7

    @nn.compact
    def __call__(self, pair: jax.Array, events: jax.Array, *, training: bool = False):
        """Compute logits.

        Shapes: pair [B, H, W, 6] (first and last intensity frame), events [F, B, H, W, 3] ->
        logits [B, K] and what the batch cost on average.
        """
        mixed = Convolution(6, 3, 1)(pair)
        kernels = [Convolution(3, WIDTHS[0], size, 2) for size in KERNELS]
        joined = Convolution(3 * WIDTHS[0], WIDTHS[0], 1)
        second = Convolution(WIDTHS[0], WIDTHS[1], 3, 2)
        third = Convolution(WIDTHS[1], WIDTHS[2], 3, 4)
        features = [kernel(mixed) for kernel in kernels]
        weights = jnp.stack([Squeeze()(x, training=training) for x in features], -1)
        weights = nn.softmax(weights)[:, None, None]  # [B, 1, 1, 3]

        def weigh(parts):
            return jnp.concatenate([p * weights[..., n, None] for n, p in enumerate(parts)], -1)

        spatial = third(second(joined(weigh(features))))
        spatial = spatial.reshape(len(pair), -1)
        seen = spike(spatial)
        start = _torch_uniform(spatial.shape[-1])
        hidden = nn.Dense(HIDDEN, kernel_init=start, bias_init=start)
        start = _torch_uniform(HIDDEN)
        output = nn.Dense(self.classes, kernel_init=start, bias_init=start)

        count, size = pair.shape[:2]
        planes = plane_sizes(size)
        shapes = [(n, n, width) for n, width in zip(planes, WIDTHS, strict=True)]
        layers = [_rest((count, *shape)) for shape in (*shapes, (HIDDEN,), (self.classes,))]
        logits, synops = 0.0, 0.0
        for frame in events:
            one, two, three, four, five = layers
            one = one.step(joined.copy(weigh([kernel.copy(frame) for kernel in kernels])))
            two = two.step(second.copy(one.spikes))
            three = three.step(third.copy(two.spikes))
            arriving = three.spikes.reshape(count, -1) + seen
            four = four.step(hidden(arriving))
            five = five.step(output(four.spikes))
            layers = [one, two, three, four, five]
            logits = logits + five.potential
            synops = synops + (
                _reached(one.spikes, stride=2) * WIDTHS[1]
                + _reached(two.spikes, stride=4) * WIDTHS[2]
                + arriving.sum() * HIDDEN
                + four.spikes.sum() * self.classes
            )
        frames = len(events)
        every, alone = multiply_adds(size, frames), multiply_adds(size, 0)
        analogue = every["pair"] + every["first"] + every["joined"]
        analogue += alone["second"] + alone["third"]
        return logits / frames, SeenCosts(
            jnp.asarray(analogue, jnp.float32), jnp.asarray(synops / count)
        )


def _rest(shape: tuple[int, ...]) -> SeenLayer:
    return SeenLayer(jnp.zeros(shape), jnp.zeros(shape))


def _reached(spikes: jax.Array, *, stride: int) -> jax.Array:
    """Count the output positions that all spikes of a plane reach: [B, H, W, C] -> []."""
    reach = fan_out(*spikes.shape[1:3], size=3, stride=stride)
    return (spikes.sum((0, 3)) * reach).sum()
