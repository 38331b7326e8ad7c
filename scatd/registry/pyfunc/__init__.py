"""Scripts that MLflow stores with a version, one for each kind of model: `KIND.py`."""
