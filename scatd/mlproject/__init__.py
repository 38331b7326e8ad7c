"""Support for `mlflow run` of this project: its experiment, and a run without conda."""
