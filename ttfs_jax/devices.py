"""Which devices members run on, how much memory these have, and how they multiply."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "population"
Device = Any  # `jax.Device` is not a type to static checkers
Products = Literal["float32", "bfloat16"]


def use_every_core(devices: int | None = None) -> None:
    """Make one CPU device of every core, so that members run beside each other.

    Has to come before JAX is first used; later it changes nothing. Accelerators are not affected.
    """
    cores = len(os.sched_getaffinity(0)) if devices is None else devices
    try:
        jax.config.update("jax_num_cpu_devices", cores)
    except RuntimeError:  # the back end is up already
        return


def population_mesh(devices: Sequence[Device] | None = None) -> Mesh:
    """Lay devices out along the population axis; left out, all devices of this process."""
    return Mesh(np.asarray(jax.local_devices() if devices is None else devices), (AXIS,))


def over_members(mesh: Mesh) -> NamedSharding:
    """Return the sharding that cuts the leading axis [P] over the devices."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def everywhere(mesh: Mesh) -> NamedSharding:
    """Return the sharding that keeps a copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def free_memory(device: Device) -> int:
    """Return the bytes a device has free: by its own count, or its part of the machine's."""
    statistics = device.memory_stats() or {}
    if "bytes_limit" in statistics:
        return statistics["bytes_limit"] - statistics.get("bytes_in_use", 0)
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return free // jax.local_device_count()


def multiply_in(products: Products) -> AbstractContextManager:
    """Set the precision of matrix products that are traced in this context; sums are float32.

    Accelerators left alone may round the factors to fewer digits, even if all is float32.

    Raises: ValueError for bfloat16 on a CPU, which always multiplies in float32.
    """
    if jax.default_backend() != "cpu":
        precision = {"float32": "float32", "bfloat16": "BF16_BF16_F32"}[products]
        return jax.default_matmul_precision(precision)
    if products == "bfloat16":
        raise ValueError("a CPU multiplies in float32: leave bfloat16 to accelerators")
    return nullcontext()
