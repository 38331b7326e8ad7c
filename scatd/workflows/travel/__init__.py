"""Registered models as bundles: a folder, a zip file, or a repository of the Hugging Face hub."""
