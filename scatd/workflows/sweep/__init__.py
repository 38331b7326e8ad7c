"""Use case: learn many drugs from one source."""
