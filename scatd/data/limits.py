"""Limits that a cohort must reach, and the block in which its rows are computed.

This file imports nothing, because help texts read it.
"""

from __future__ import annotations

MIN_GENES = 200
"""Number of expressed genes that a cell needs, as published."""

REFUSED_BELOW, WARNED_BELOW = 0.20, 0.80
"""Share of a panel's genes. Below the first a cohort is refused; below the second, a warning."""

BLOCK = 512
"""Rows that are scored or embedded together; blocks start at multiples of it."""
