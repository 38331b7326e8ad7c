"""Fitting candidates, and choosing among them by inner folds of the training rows.

`scatd.candidates` is what a candidate is when it is stored.
"""
