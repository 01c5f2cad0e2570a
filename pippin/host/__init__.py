"""The machine: atomic file writes, text made safe to print, and processor cores."""
