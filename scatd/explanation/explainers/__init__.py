"""What can be explained: one interface, and one implementation for each kind of candidate."""
