"""Several processes, on one machine or many, that run the same program on parts of a population."""

import jax
from jax.experimental import multihost_utils

from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import check_whole

MOST = 2**16  # processes


def join_processes(
    *, coordinator: str | None = None, processes: int | None = None, process: int | None = None
) -> None:
    """Join the other processes; must be called before JAX is first used.

    `coordinator` is the address HOST:PORT of process 0, `processes` their number, and `process`
    that of this one. By default they are those of the job under SLURM, Open MPI or Kubernetes.

    Raises: InputError when there is no such job, or only some of the three are given.
    """
    given = [value is not None for value in (coordinator, processes, process)]
    if any(given) and not all(given):
        raise InputError("give all of --coordinator, --processes and --process, or none of them")
    if processes is not None and process is not None:
        check_whole("--processes", processes, 1, MOST)
        check_whole("--process", process, 0, processes - 1)
    try:
        # A dead process is noticed within seconds, and the others end instead of waiting for it.
        jax.distributed.initialize(coordinator, processes, process, heartbeat_timeout_seconds=30)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"cannot join other processes ({reason}): give --coordinator HOST:PORT, --processes "
            "and --process, or start it under SLURM, Open MPI or Kubernetes"
        ) from error


def is_primary() -> bool:
    """Tell whether this process is the one that writes and prints."""
    return jax.process_index() == 0


def barrier(name: str) -> None:
    """Wait until all processes are at the barrier `name`; with one process, continue."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
