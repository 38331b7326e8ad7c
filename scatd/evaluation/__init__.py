"""Evaluation of scores: tables in, tables out."""
