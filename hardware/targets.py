"""The hardware targets by name. A new one is one file with a `Target`, and one line here."""

from hardware.accelerator import Accelerator
from hardware.cmos import Cmos
from hardware.counts import layer_counts
from hardware.sne import Sne
from hardware.target import Target, Workload
from hardware.xylo.chips import Xylo
from hardware.xylo.families import FAMILIES
from ttfs_jax.evaluation.measure import Measured
from ttfs_jax.network.architecture import Architecture, NetworkSpec
from ttfs_jax.support.errors import unknown

TARGETS: dict[str, Target] = {
    one.name: one
    for one in (
        *(Xylo(name) for name in FAMILIES),
        Accelerator(),
        Sne(),
        Cmos("cmos45"),
        Cmos("cmos45-relu", twin=True),
    )
}


def target(name: str) -> Target:
    """Look up a target. Raises: InputError for an unknown one."""
    if name not in TARGETS:
        raise unknown("target", name, TARGETS)
    return TARGETS[name]


def workload(spec: NetworkSpec, architecture: Architecture, measured: Measured) -> Workload:
    """Count what an architecture of the convolutional space asks of a target."""
    height, width, channels = spec.image_shape
    return Workload(
        inputs=height * width * channels,
        outputs=spec.classes,
        layers=layer_counts(spec, architecture, measured),
    )
