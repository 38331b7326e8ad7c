"""Which features and genes predict resistance, and whether the explanation can be trusted."""
