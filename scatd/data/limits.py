"""What a cohort must come up to; light enough for help texts."""

from __future__ import annotations

MIN_GENES = 200
"""Expressed genes that a cell needs, as published."""

REFUSED_BELOW, WARNED_BELOW = 0.20, 0.80
"""Share of a panel's genes that a cohort must have, and should have."""
