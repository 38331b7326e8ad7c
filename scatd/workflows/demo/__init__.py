"""Use case: transfer and prediction on simulated cohorts."""
