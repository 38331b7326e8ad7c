"""One reader for each kind of expression file; each returns a `Cohort`."""
