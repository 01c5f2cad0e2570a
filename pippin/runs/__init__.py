"""A run on disk, and what is done with it."""
