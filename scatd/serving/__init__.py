"""Serving registered models."""
