"""Use case: embed raw counts with a foundation model."""
