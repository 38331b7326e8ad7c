"""Use case: the main job on simulated cohorts."""
