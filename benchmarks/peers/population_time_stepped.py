"""The same networks with leaky integrate-and-fire neurons, stepped through time by snnTorch.

Both packages are in the extra `[bench]`; without them every function raises an `InputError`.
"""

from collections.abc import Sequence
from functools import partial

from benchmarks.peers import population_torch
from benchmarks.peers.population_torch import (
    TIMING,
    Module,
    NativeArchitecture,
    Timing,
    import_peer,
)
from ttfs_jax.network.architecture import NetworkSpec

TIME_STEPS = 8
DECAY = 0.9
SLOPE = 25.0


def build_time_stepped(
    spec: NetworkSpec, architecture: NativeArchitecture, *, time_steps: int = TIME_STEPS
) -> Module:
    """Build the spiking network: images [B, C, H, W] -> output currents [B, K] summed over time.

    `snn.Leaky` neurons (decay 0.9, reset by subtraction, fast sigmoid of slope 25 as surrogate)
    behind every norm of an `architecture` of `spec`, stepped `time_steps` times. The current into
    the stem is constant, and so computed once.

    Raises: InputError without PyTorch or snnTorch.
    Source: Eshraghian et al. 2023, doi:10.1109/JPROC.2023.3308088; fast sigmoid of Zenke &
    Ganguli 2018, doi:10.1162/neco_a_01086.
    """
    torch, snntorch = import_peer("torch"), import_peer("snntorch")
    surrogate = import_peer("snntorch.surrogate").fast_sigmoid(slope=SLOPE)

    class TimeStepped(torch.nn.Module):
        """Rest all neurons, then step them."""

        def __init__(self):
            super().__init__()
            leaky = partial(snntorch.Leaky, DECAY, spike_grad=surrogate, init_hidden=True)
            layers = population_torch.build_torch(spec, architecture, neurons=leaky)
            self.stem, self.rest = layers[:2], layers[2:]

        def forward(self, images):
            for module in self.rest.modules():
                if isinstance(module, snntorch.Leaky):
                    module.reset_mem()
            current = self.stem(images)
            return sum(self.rest(current) for _ in range(time_steps))

    return TimeStepped()


def seconds_per_step(
    architectures: Sequence[NativeArchitecture],
    spec: NetworkSpec,
    timing: Timing = TIMING,
    *,
    time_steps: int = TIME_STEPS,
) -> list[float]:
    """Train the architectures one after another: the seconds that a step of each takes.

    `architectures` are of `spec`, and stepped `time_steps` times per batch; `timing` says how they
    are trained.

    Raises: InputError without PyTorch or snnTorch, and for fewer images than a batch.
    """
    make = partial(build_time_stepped, time_steps=time_steps)
    return population_torch.seconds_per_step(architectures, spec, timing, build=make)
