"""Progress of a run: one bar per stage, with rate and remaining time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text


class RateColumn(ProgressColumn):
    """Show units per second, such as candidates."""

    def render(self, task) -> Text:
        """Render the speed of a `task`, measured by rich."""
        speed = task.finished_speed or task.speed
        unit = task.fields.get("unit", "")
        return Text(f"{speed:.1f} {unit}/s" if speed else f"– {unit}/s", style="cyan")


class Bar:
    """The bar of one stage of a run, a `task` of rich's `progress`."""

    def __init__(self, progress: Progress, task):
        self._progress, self._task = progress, task

    def advance(self, amount: int, note: str = "") -> None:
        """Advance by `amount`, and show the `note`."""
        self._progress.update(self._task, advance=amount, note=note)


class Reporter:
    """All bars of a run, on a `console`."""

    def __init__(self, console: Console):
        self.console = console
        self._progress = Progress(
            TextColumn("{task.description:<10}", markup=False),
            BarColumn(bar_width=8),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            RateColumn(table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            # The note alone may wrap: figures cut short tell nothing.
            TextColumn(
                "{task.fields[note]}", style="dim", markup=False, table_column=Column(no_wrap=False)
            ),
            console=console,
        )

    def __enter__(self) -> "Reporter":
        self._progress.start()
        return self

    def __exit__(self, *exception) -> None:
        self._progress.stop()

    @contextmanager
    def bar(self, name: str, total: int, *, done: int = 0, unit: str) -> Iterator[Bar]:
        """Show the stage `name`: `total` steps, each a `unit`; an earlier process did `done`."""
        task = self._progress.add_task(name, total=total, completed=done, unit=unit, note="")
        yield Bar(self._progress, task)
        self._progress.stop_task(task)

    def follow(self, name: str, *, unit: str) -> Callable[[int, int], None]:
        """Return a callback (done, total) that shows a bar, `name`, in `unit`, once called."""
        tasks = []

        def update(done: int, total: int) -> None:
            if not tasks:
                tasks.append(self._progress.add_task(name, total=total, unit=unit, note=""))
            self._progress.update(tasks[0], completed=done)
            if done == total:
                self._progress.stop_task(tasks[0])

        return update
