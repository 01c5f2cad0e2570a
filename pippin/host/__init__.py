"""The machine below: files written whole, and cores."""
