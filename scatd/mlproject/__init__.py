"""What makes `mlflow run` of this project work as `scatd` does."""
