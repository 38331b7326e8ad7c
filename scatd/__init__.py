"""scatd: predict which single cells of a tumour resist a drug, tracked and registered in MLflow."""

__version__ = "0.2.0"
