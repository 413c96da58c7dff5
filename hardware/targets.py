"""The hardware targets by name. A new one is one file with a `Target`, and one line here."""

from math import prod

from hardware.accelerator import Accelerator
from hardware.cmos import Cmos
from hardware.sne import Sne
from hardware.target import Target, Workload
from hardware.xylo.chips import Xylo
from hardware.xylo.families import FAMILIES
from ttfs_jax.network.architecture import Architecture, NetworkSpec, make_plan
from ttfs_jax.network.counts import Recorded, layer_counts
from ttfs_jax.network.plan import Plan
from ttfs_jax.support import errors

# The targets by name, each made with its usual constants.
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
    """Look up the target `name`. Raises: InputError for an unknown one.

    Examples:
        >>> target("cmos45").name
        'cmos45'
    """
    return errors.look_up("target", name, TARGETS)


def workload(shape: NetworkSpec | Plan, architecture: Architecture, measured: Recorded) -> Workload:
    """Count the operations of an `architecture` of a plan, or `shape`, by `measured` spikes."""
    plan = make_plan(shape)
    return Workload(
        inputs=prod(plan.image_shape),
        outputs=sum(prod(plan.shapes[name]) for name in plan.readouts),
        layers=layer_counts(plan, architecture, measured),
    )
