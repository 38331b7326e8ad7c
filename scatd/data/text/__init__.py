"""Text tables, read strictly: nothing is guessed from the first lines, nothing is filled in."""
