"""Use case: find the features that drive a model's scores."""
