"""Use case: say which features drive a model's scores."""
