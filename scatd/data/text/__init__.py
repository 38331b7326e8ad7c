"""Strict reading of text tables: all lines are checked, and no value is guessed or filled in."""
