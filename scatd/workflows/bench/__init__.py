"""Use case: candidates beside baselines and naive means, on tasks of a file."""
