"""Recordings of event cameras: one reader per family of formats, one check for all of them."""

from ttfs_jax.datasets.events.files import EventFile, frame_pieces, read_events, to_frames

__all__ = ["EventFile", "frame_pieces", "read_events", "to_frames"]
