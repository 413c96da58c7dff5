"""All faults of a data set, not only the first: they are collected, then raised once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ttfs_jax.support.errors import InputError

HINT = "python -m ttfs_jax.datasets.inspect lists all"


class DataError(InputError):
    """Say in one line what is wrong with a data set, and list everything in `problems`.

    `faults` are why it cannot be loaded; the message has the first one.
    """

    def __init__(self, faults: Sequence[str], problems: Sequence[str] = ()):
        more = f" (and {len(faults) - 1} more: {HINT})" if len(faults) > 1 else ""
        super().__init__(f"{faults[0]}{more}")
        self.problems: tuple[str, ...] = (*faults, *problems)
        """One line each: the faults, then other problems."""


class Faults:
    """The faults so far."""

    def __init__(self):
        self.messages: list[str] = []

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keep an InputError raised inside, and continue after it."""
        try:
            yield
        except DataError as error:
            self.messages.extend(error.problems)
        except InputError as error:
            self.messages.append(str(error))

    def add(self, messages: Sequence[str]) -> None:
        """Keep faults, given as `messages`."""
        self.messages.extend(messages)

    def raise_all(self, problems: Sequence[str] = ()) -> None:
        """Raise DataError if there are any faults; `problems` are included."""
        if self.messages:
            raise DataError(self.messages, problems)
