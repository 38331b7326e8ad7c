"""Figures of attributions: tables to figures."""
