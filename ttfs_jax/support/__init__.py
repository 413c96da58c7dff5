"""What every room needs and none is about: errors, files, caches, devices, the command line."""
