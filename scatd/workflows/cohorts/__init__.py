"""Cohorts on their way to a model: opened, checked, matched to its genes, turned into features."""
