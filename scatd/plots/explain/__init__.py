"""Figures of attributions. Each function reads tables and returns a figure."""
