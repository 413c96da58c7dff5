"""What is drawn and written of a finished run, by name, read from its files."""

from search.reports.registry import REPORTS, Report

__all__ = ["REPORTS", "Report"]
