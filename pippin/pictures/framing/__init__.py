"""A picture of any shape → squares of one size."""
