"""Use case: measure a registered version on labelled cells, and calibrate it."""
