"""Read cohorts, their labels, drugs and folds."""
