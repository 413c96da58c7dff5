"""Which devices members run on, how much memory these have, and how they multiply."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ttfs_jax.support import memory

AXIS = "population"
Device = Any  # `jax.Device` is not a type to static checkers
Products = Literal["float32", "bfloat16"]
SETTINGS: Any = jax.config  # has its attributes only once JAX runs


def use_every_core(devices: int | None = None) -> None:
    """Make one CPU device per core, so that members run side by side.

    `devices` is another number. A number that the user set, by JAX_NUM_CPU_DEVICES or XLA_FLAGS,
    stays. Must be called before JAX is first used; later it has no effect. Accelerators are not
    affected.
    """
    if devices is None and _number_is_set():
        return
    cores = available_cores() if devices is None else devices
    try:
        jax.config.update("jax_num_cpu_devices", cores)
    except RuntimeError:  # the back end is up already
        return


def available_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS, Windows


def _number_is_set() -> bool:
    flags = os.environ.get("XLA_FLAGS", "")
    return "xla_force_host_platform_device_count" in flags or SETTINGS.jax_num_cpu_devices >= 0


def missing_platform() -> str | None:
    """Say in one line why requested devices are absent; None if they are present."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError):  # the latter for CUDA without its plug-in
        return (
            f"JAX_PLATFORMS={SETTINGS.jax_platforms}: there is no such device, or JAX is not "
            "installed for it: unset it, or install JAX for that accelerator"
        )
    return None


@contextmanager
def single_precision() -> Iterator[None]:
    """Compute in 32 bits, as all of this library does, even if JAX_ENABLE_X64 is set; says so."""
    if SETTINGS.jax_enable_x64:
        print("JAX_ENABLE_X64 is ignored: this command computes in float32", file=sys.stderr)
    with jax.enable_x64(False):
        yield


def population_mesh(devices: Sequence[Device] | None = None) -> Mesh:
    """Lay devices out along the population axis; by default all devices of this process."""
    return Mesh(np.asarray(jax.local_devices() if devices is None else devices), (AXIS,))


def over_members(mesh: Mesh) -> NamedSharding:
    """Return the sharding that cuts the leading axis [P] over the devices of a `mesh`."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def everywhere(mesh: Mesh) -> NamedSharding:
    """Return the sharding that keeps a copy on every device of a `mesh`."""
    return NamedSharding(mesh, PartitionSpec())


def free_device_memory(device: Device) -> int:
    """Return the bytes a device has free: by its own count, or its part of the machine's."""
    statistics = device.memory_stats() or {}
    if "bytes_limit" in statistics:
        return statistics["bytes_limit"] - statistics.get("bytes_in_use", 0)
    return memory.free_memory() // jax.local_device_count()


def multiply_in(products: Products) -> AbstractContextManager:
    """Set the precision of matrix products that are traced in this context; sums are float32.

    By default accelerators may round the factors to fewer digits, even if all is float32.

    Raises: ValueError for bfloat16 on a CPU, which always multiplies in float32.
    """
    if jax.default_backend() != "cpu":
        precision = {"float32": "float32", "bfloat16": "BF16_BF16_F32"}[products]
        return jax.default_matmul_precision(precision)
    if products == "bfloat16":
        raise ValueError("a CPU multiplies in float32: leave bfloat16 to accelerators")
    return nullcontext()
