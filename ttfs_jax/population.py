"""Run one pure function over a population of members in one program."""

from collections.abc import Callable

import jax


def default_chunk(members: int) -> int:
    """Choose how many members run at once: one after another on a CPU, all on an accelerator.

    On a CPU each matrix product already fills the cores, and a mapped `lax.switch` stays a real
    branch; under vmap all its branches are computed.
    """
    return 1 if jax.default_backend() == "cpu" else members


def map_members(function: Callable, *members, chunk: int | None = None):
    """Map an unbatched function over the leading axis [P] of its arguments.

    `chunk` members at a time are vectorised, the chunks run one after another. A member's result
    does not depend on its neighbours.
    """
    count = jax.tree.leaves(members)[0].shape[0]
    chunk = default_chunk(count) if chunk is None else chunk
    if chunk >= count > 1:
        return jax.vmap(function)(*members)
    # batch_size=1 would vmap over single members and lose the real branches.
    return jax.lax.map(
        lambda args: function(*args), members, batch_size=chunk if chunk > 1 else None
    )
