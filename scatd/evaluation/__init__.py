"""Judging scores: tables in, tables out."""
