"""Foundation models: from expression to the features that families `sf` and `gf` read."""
