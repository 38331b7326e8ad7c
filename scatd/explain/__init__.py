"""Which features and genes drive resistance, and how far to believe it."""
