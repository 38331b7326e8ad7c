"""Use case: score and explain patients beside their survival."""
