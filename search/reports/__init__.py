"""Figures and tables of a finished run, by name, made from its files."""

from search.reports.registry import REPORTS, Report

__all__ = ["REPORTS", "Report"]
