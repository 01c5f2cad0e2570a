"""A training session: planned, trained, watched and reported."""
