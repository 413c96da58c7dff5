"""Measuring networks, and proving two codes equal."""
