"""The operating system: atomic file writes and processor cores."""
