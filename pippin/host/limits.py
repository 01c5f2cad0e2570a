"""Limits of what is read into memory. This module imports nothing, because the command line needs it for its help."""

PIXEL_LIMIT = 89_478_485
"""Largest number of pixels of a picture, if the user does not raise it. It is Pillow's limit: a picture in RGB takes a
quarter of a gigabyte."""
