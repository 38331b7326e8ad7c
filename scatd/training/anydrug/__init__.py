"""Learning of all drugs at once, by their structures: how a drug that was never seen acts."""
