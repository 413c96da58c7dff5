"""Use a trained network on files: recordings, images, arrays."""
