"""Options that several commands share: each is defined once."""
