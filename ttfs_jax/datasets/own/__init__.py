"""Data sets of the user's own files: each module reads one layout into `samples.Samples`."""
