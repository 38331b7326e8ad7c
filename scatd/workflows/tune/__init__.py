"""Use case: search the settings of pretraining."""
