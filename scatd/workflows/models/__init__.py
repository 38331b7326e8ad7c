"""Registered models: found, recorded, promoted, imported and exported."""
