"""One pure function over many members, on all devices and processes; knows no network."""
