"""Ways of retraining the best of a search, by name. A new one is one module, and one line here."""

from typing import Any, Protocol

from search.config import Config
from search.loop.archive import Archive
from search.loop.exploration import Search
from search.retraining import converted, front
from ttfs_jax.support import errors


class RetrainStage(Protocol):
    """The last stage of a run: trains the best for longer, measures them once, and saves them."""

    def options(self, config: Config) -> dict[str, str]:
        """Name the options that are read, as `Strategy.options` does those of a `config`."""
        ...

    def recipes(self, config: Config) -> dict[str, Any]:
        """Name the recipes of training in a `config`, as `Strategy.recipes` does."""
        ...

    def check(self, config: Config) -> None:
        """Check a `config` before data are loaded. Raises: InputError naming an option."""
        ...

    def check_new(self, config: Config) -> None:
        """Check what only a new run of a `config` needs, not one that is shown again.

        Raises: InputError.
        """
        ...

    def retrain(
        self, search: Search, strategy: Any, archives: dict[str, Archive]
    ) -> dict[str, Any]:
        """Retrain and measure the best of the archives of "evolution" and "random": JSON values.

        `search` has the run's config, data and space; `strategy` is the run's, of a kind that the
        stage supports.
        """
        ...


# The ways of retraining by the names that spaces use.
RETRAININGS: dict[str, RetrainStage] = {"converted": converted, "front": front}


def retraining_entry(name: str) -> RetrainStage:
    """Look up a way of retraining by `name`. Raises: InputError for an unknown one."""
    return errors.look_up("retraining", name, RETRAININGS)
