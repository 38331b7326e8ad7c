"""Cohorts: reading them, their labels, their drugs, their folds."""
