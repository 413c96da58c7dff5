"""Recordings of event cameras: one reader per family of formats, one check for all of them."""
