"""Use case: bring raw counts into the order of a model's genes."""
