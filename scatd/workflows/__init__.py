"""One use case a file: load, check, compute, track, register."""
