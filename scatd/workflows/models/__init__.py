"""Registered models: promoted, imported and exported, with the baselines kept beside them."""
