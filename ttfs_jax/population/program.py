"""Run one pure function over a population of members: side by side, in chunks, over devices."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import PartitionSpec

from ttfs_jax.support.devices import (
    AXIS,
    Device,
    everywhere,
    free_device_memory,
    over_members,
    population_mesh,
)
from ttfs_jax.support.ranges import above, between, check_fields, optional, whole

MEMORY_SHARE = 0.6


@dataclass(frozen=True)
class PopulationConfig:
    """How a population is laid out on the devices."""

    lanes: int | None = None
    """Members that a device computes side by side by `vmap`; 1 = one after another. By default the
    faster of both in a short measurement on this machine, which is stored."""
    chunk: int | None = None
    """Members in one dispatch. By default all, or as many as fit into memory."""
    memory_gib: float | None = None
    """Memory that members may use on each device. By default 60 % of what is free."""
    waste: float = 0.05
    """Expected share of multiply-adds on masked channels up to which shapes share a program."""

    def __post_init__(self):
        check_fields(
            self,
            lanes=optional(whole(1)),
            chunk=optional(whole(1)),
            memory_gib=optional(above(0)),
            waste=between(0, 1),
        )


def default_lanes(members: int) -> int:
    """Choose how many members run side by side: one on a CPU, all on an accelerator.

    On a CPU each product already fills a core, and a mapped `lax.switch` stays a real branch;
    under vmap all its branches are computed.
    """
    return 1 if jax.default_backend() == "cpu" else members


def map_members(function: Callable, *members, lanes: int | None = None):
    """Map an unbatched function over the leading axis [P] of its arguments; traceable.

    `lanes` members at a time are vectorised, one such group runs after another. A member's result
    does not depend on its neighbours.
    """
    count = jax.tree.leaves(members)[0].shape[0]
    lanes = default_lanes(count) if lanes is None else lanes
    if lanes >= count > 1:
        return jax.vmap(function)(*members)
    # batch_size=1 would vmap over single members and lose the real branches.
    return jax.lax.map(
        lambda args: function(*args), members, batch_size=lanes if lanes > 1 else None
    )


def _map_groups(function, members, used, lanes, result):
    """Map over members [P] in groups of `lanes`; a group without `used` members costs nothing.

    `result` has the shapes of all results, [P, ...].
    """

    def split(leaf):
        return leaf.reshape(-1, lanes, *leaf.shape[1:]) if lanes > 1 else leaf

    one = jax.vmap(function) if lanes > 1 else function
    groups = jax.tree.map(split, members)
    front = (lanes,) if lanes > 1 else ()

    def group(args):
        in_use, inputs = args
        return jax.lax.cond(
            in_use,
            one,
            lambda _: jax.tree.map(
                lambda leaf: jnp.zeros((*front, *leaf.shape[1:]), leaf.dtype), result
            ),
            inputs,
        )

    outputs = jax.lax.map(group, (used.reshape(-1, lanes).any(1), groups))
    if lanes == 1:
        return outputs
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), outputs)


class Program:
    """One function over members, compiled once for this machine.

    `members` [P, ...] and `shared` are examples with the shapes of what it will be called with;
    `config` and `devices` (by default all of this process) say where it runs.

    `function(member, shared) -> result` is pure and unbatched. A call takes any number of members
    [P, ...], splits them over processes, cuts a process's share into chunks, splits each chunk over
    the devices, and gives all results [P, ...] as NumPy arrays to every process: device memory
    grows with the chunk, not with P. Buffers that a result can reuse are donated.

    On a CPU a member's result is bit for bit independent of its neighbours, its chunk and the
    number of devices; with several lanes, or on an accelerator, equal up to the rounding of
    float32.

    Fields: `chunk` members per dispatch; `lanes` side by side on a device; `member_bytes` per
    device for each member of a chunk, `fixed_bytes` per device for any chunk (both from the
    compiled program); `compile_seconds`.
    """

    def __init__(
        self,
        function: Callable[[Any, Any], Any],
        members: Any,
        shared: Any,
        *,
        config: PopulationConfig | None = None,
        devices: Sequence[Device] | None = None,
    ):
        config = PopulationConfig() if config is None else config
        self._function = jax.jit(function)  # traced once, for its result and for the program
        self._mesh = population_mesh(devices)
        self.devices = self._mesh.size
        share = -(-_count(members) // jax.process_count())
        whole = min(config.chunk or share, share)
        self.lanes = min(
            config.lanes or default_lanes(-(-whole // self.devices)), -(-whole // self.devices)
        )
        step = self.lanes * self.devices
        self.chunk = -(-whole // step) * step
        limit = MEMORY_SHARE * min(free_device_memory(d) for d in self._mesh.devices.flat)
        if config.memory_gib is not None:
            limit = config.memory_gib * 2**30
        started = time.perf_counter()
        self._compile(members, shared)
        fitting = int((limit - self.fixed_bytes) // max(self.member_bytes, 1)) * self.devices
        if fitting < self.chunk and self.chunk > step:
            self.chunk = max(fitting // step * step, step)
            self._compile(members, shared)
        self.compile_seconds = time.perf_counter() - started

    def place(self, shared: Any) -> Any:
        """Copy what members have in common, `shared`, to every device, for use in several calls."""
        return jax.device_put(shared, everywhere(self._mesh))

    def __call__(self, members: Any, shared: Any) -> Any:
        """Run all members [P, ...] and return their results [P, ...]."""
        return self.start(members, shared)()

    def start(self, members: Any, shared: Any) -> Callable[[], Any]:
        """Send members, and what is `shared`, to the devices; return a function that waits.

        Programs of several buckets started one after another keep all devices busy. With several
        chunks this call waits for all but the last.
        """
        count, processes = _count(members), jax.process_count()
        share = -(-count // processes)
        mine = np.arange(share) + jax.process_index() * share
        mine = mine[mine < count]
        chunks = [mine[n : n + self.chunk] for n in range(0, len(mine), self.chunk)]
        shared, results = self.place(shared), []
        for index in chunks:
            if results:
                results[-1] = jax.tree.map(np.asarray, results[-1])
            results.append(self._dispatch(members, index, shared))

        def wait():
            own = [
                pick(result, self._places[: len(index)])
                for result, index in zip(results, chunks, strict=True)
            ]
            # Every process gives the same number of rows.
            padding = jax.tree.map(
                lambda leaf: np.zeros((share - len(mine), *leaf.shape[1:]), leaf.dtype),
                self._result,
            )
            joined = jax.tree.map(lambda *parts: np.concatenate(parts), *own, padding)
            if processes > 1:
                gathered = multihost_utils.process_allgather(joined)
                joined = jax.tree.map(
                    lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[2:]), gathered
                )
            return jax.tree.map(lambda leaf: leaf[:count], joined)

        return wait

    def _dispatch(self, members, index, shared):
        # Distribute members in turn, so that a chunk that is not full keeps every device busy.
        source = np.full(self.chunk, index[0])
        source[self._places[: len(index)]] = index
        used = np.zeros(self.chunk, bool)
        used[self._places[: len(index)]] = True
        donated, kept = self._part(pick(members, source))
        placed = jax.device_put((donated, kept, used), over_members(self._mesh))
        return self._compiled(*placed, shared)

    def _part(self, members):
        leaves = jax.tree.leaves(members)
        pairs = list(zip(leaves, self._donate, strict=True))
        return [a for a, d in pairs if d], [a for a, d in pairs if not d]

    def _compile(self, members, shared):
        rows = self.chunk // self.devices
        per_lane = np.arange(rows * self.devices).reshape(self.devices, -1, self.lanes)
        self._places = per_lane.transpose(1, 0, 2).reshape(-1)
        structure = jax.tree.structure(members)

        def local(donated, kept, used, shared):
            left, right = iter(donated), iter(kept)
            leaves = [next(left) if d else next(right) for d in self._donate]
            return _map_groups(
                lambda member: self._function(member, shared),
                jax.tree.unflatten(structure, leaves),
                used,
                self.lanes,
                self._result,
            )

        def sized(leaf):
            return jax.ShapeDtypeStruct((self.chunk, *leaf.shape[1:]), leaf.dtype)

        def first(members, shared):
            result = self._function(jax.tree.map(lambda leaf: leaf[0], members), shared)
            return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (rows, *leaf.shape)), result)

        def on_devices(function, *specs):
            return jax.shard_map(
                function, mesh=self._mesh, in_specs=specs, out_specs=over, check_vma=False
            )

        over, all_of_it = PartitionSpec(AXIS), PartitionSpec()
        described = jax.tree.map(sized, members)
        common = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), shared)
        # Where `local` will run: JAX traces a function again for another mesh.
        self._result = jax.eval_shape(on_devices(first, over, all_of_it), described, common)
        free = Counter((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(self._result))
        self._donate = []
        for leaf in jax.tree.leaves(described):
            self._donate.append(free[leaf.shape, leaf.dtype] > 0)
            free[leaf.shape, leaf.dtype] -= 1
        split, whole = over_members(self._mesh), everywhere(self._mesh)
        compiled = jax.jit(
            on_devices(local, over, over, over, all_of_it),
            donate_argnums=0,
            in_shardings=(split, split, split, whole),
            out_shardings=split,
        ).lower(*self._part(described), jax.ShapeDtypeStruct((self.chunk,), bool), common)
        self._compiled = compiled.compile()
        memory = self._compiled.memory_analysis()
        self.member_bytes = (_bytes(described) + _bytes(self._result)) // self.chunk
        self.fixed_bytes = _bytes(shared)
        if memory is not None:
            total = memory.temp_size_in_bytes + memory.argument_size_in_bytes
            total += memory.output_size_in_bytes - memory.alias_size_in_bytes
            self.fixed_bytes = max(total - rows * self.member_bytes, self.fixed_bytes)


def run_members(
    function: Callable[[Any, Any], Any],
    members: Any,
    shared: Any,
    *,
    config: PopulationConfig | None = None,
    devices: Sequence[Device] | None = None,
) -> Any:
    """Run a pure `function(member, shared)` over all members [P, ...] once; see `Program`.

    `config` and `devices` are those of the program.
    """
    return Program(function, members, shared, config=config, devices=devices)(members, shared)


def pick(tree: Any, index: Any) -> Any:
    """Take members out of a population: a `tree` [P, ...] -> NumPy, by any NumPy index."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[index], tree)


def _count(members):
    return jax.tree.leaves(members)[0].shape[0]


def _bytes(tree):
    return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
