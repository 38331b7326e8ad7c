"""Candidates: what can turn aligned features into P(resistant), as it is stored and scored.

Nothing here learns; `scatd.training.candidates` does. Scoring needs numpy and torch alone.
"""
