"""Regression of responses that are numbers, such as ln IC50, where some are missing or censored.

`scatd.candidates.regression` is what is stored of it.
"""
