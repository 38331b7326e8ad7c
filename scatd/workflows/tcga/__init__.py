"""Use case: score patients, explain the scores, and compare both with survival."""
