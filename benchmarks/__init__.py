"""What scatd costs, beside plain loops that do the same work. One module a row: `make bench`."""
