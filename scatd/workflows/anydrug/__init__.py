"""Use case: learn all drugs at once by their structures, for drugs that were never seen."""
