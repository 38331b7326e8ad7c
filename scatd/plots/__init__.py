"""Figures. Each function reads a table and returns a matplotlib figure."""
