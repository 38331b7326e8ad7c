# Sourced by `mlflow run` in the project's folder, before `conda activate NAME && python -m ...`.
python() { "$SCATD_PROJECT_PYTHON" "$@"; }
conda() { python -m scatd.mlproject.requirements conda.yaml; }
