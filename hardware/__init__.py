"""Hardware targets: what a network would cost on a chip, estimated."""

from hardware.target import Estimate, Target, Workload
from hardware.targets import TARGETS
from ttfs_jax.support.moved import forward_names

__all__ = ["TARGETS", "Estimate", "Target", "Workload"]
forward_names(
    {
        "hardware.xylo.exact": "hardware.xylo.mappings.exact",
        "hardware.xylo.exact_neurons": "hardware.xylo.mappings.exact_neurons",
        "hardware.xylo.features": "search.spaces.features",
        "hardware.xylo.native": "hardware.xylo.mappings.native",
        "hardware.xylo.native_training": "hardware.xylo.mappings.native_training",
        "hardware.xylo.referee": "hardware.xylo.rockpool.referee",
        "hardware.xylo.rockpool_bridge": "hardware.xylo.rockpool.bridge",
        "hardware.xylo.rockpool_loader": "hardware.xylo.rockpool.loader",
    }
)
