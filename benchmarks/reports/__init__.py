"""Reports of finished runs, and the figures of the docs."""
