"""One reader for each kind of file that holds expression; each gives a `Cohort`."""
