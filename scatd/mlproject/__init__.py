"""Support for `mlflow run` of this project: scatd's experiment, and no need of conda."""
