"""Parts of a cohort: rows of one piece of work, kept so that it can go on and be put together."""
