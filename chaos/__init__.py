"""Kills, faults, bad input, promoters and a soak: what must not be lost. `make chaos` runs all."""
