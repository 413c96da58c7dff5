"""Bars of a run: on a terminal of 80 columns every figure can be read."""

import io

from rich.console import Console

from search.loop.progress import Reporter


def test_figures_are_whole_on_eighty_columns():
    text = io.StringIO()
    note = "generation 10, best fitness 0.98944"
    with (
        Reporter(Console(file=text, width=80)) as reporter,
        reporter.bar("evolution", 240, unit="candidates") as bar,
    ):
        bar.advance(240, note)
    shown = text.getvalue()
    assert "…" not in shown and " candidates/s" in shown and "0:00:00" in shown
    assert "0.98944" in shown and max(map(len, shown.splitlines())) <= 80
