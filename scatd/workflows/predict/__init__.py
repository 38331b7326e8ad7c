"""Use case: score a cohort with a registered model."""
