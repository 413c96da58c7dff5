"""Tasks by name. A new one is one file with a `Task`, and one line here."""

from ttfs_jax.support.errors import look_up
from ttfs_jax.tasks.classification import Classification, Measured
from ttfs_jax.tasks.regression import Regression
from ttfs_jax.tasks.task import Activity, Task

_ALL: tuple[Task, ...] = (
    Classification(),
    Regression(),
)
# The tasks by name.
TASKS = {one.name: one for one in _ALL}

__all__ = ["TASKS", "Activity", "Measured", "Task", "find_task"]


def find_task(task: str | Task) -> Task:
    """Look up a task by name; a task itself is returned unchanged.

    Raises: InputError for an unknown name.

    Examples:
        >>> dict(find_task("classification").metrics)  # whether larger is better
        {'war': True, 'uar': True}
    """
    return look_up("task", task, TASKS) if isinstance(task, str) else task
