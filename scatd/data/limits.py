"""Limits that a cohort must reach, and sizes. It imports nothing: help texts read it."""

from __future__ import annotations

IN_MEMORY_BYTES = 1 << 28
"""Matrices above this size (as float32) stay on disk if their reader allows it."""

MIN_GENES = 200
"""Number of expressed genes that a cell needs, as published."""

REFUSED_BELOW, WARNED_BELOW = 0.20, 0.80
"""Share of a panel's genes. Below the first a cohort is refused; below the second, a warning."""

BLOCK = 512
"""Rows that are scored or embedded together; blocks start at multiples of it."""
