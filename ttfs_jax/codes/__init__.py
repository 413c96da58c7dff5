"""Neural codes by name. A new one is one file with a `Code`, and one line here."""

from ttfs_jax.codes.code import Code, Signal
from ttfs_jax.codes.rate import Rate
from ttfs_jax.codes.relu import Relu
from ttfs_jax.codes.ttfs import Ttfs
from ttfs_jax.support.errors import look_up

# The neural codes by name, each with its usual options.
CODES: dict[str, Code] = {
    one.name: one
    for one in (
        Relu(),
        Ttfs(),
        Rate(),
    )
}

__all__ = ["CODES", "Code", "Signal", "find_code"]


def find_code(code: str | Code) -> Code:
    """Look up a code by name; a code itself, such as `Rate(steps=64)`, is returned unchanged.

    Raises: InputError for an unknown name.

    Examples:
        >>> find_code("ttfs").in_windows
        True
        >>> find_code(Rate(steps=64)).steps
        64
    """
    return look_up("code", code, CODES) if isinstance(code, str) else code
