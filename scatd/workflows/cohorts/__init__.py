"""Cohorts for a model: opened, checked, matched to its genes, and turned into features."""
