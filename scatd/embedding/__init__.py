"""Foundation models: from expression to the features of families `sf` and `gf`."""
