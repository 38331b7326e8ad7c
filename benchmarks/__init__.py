"""Time and memory of scatd, compared with plain loops. `make bench` runs one module a row."""
