"""Use case: put parts of a cohort together."""
