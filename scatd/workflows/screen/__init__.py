"""Use case: score one cohort for many drugs."""
