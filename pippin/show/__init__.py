"""Arrays of pictures → picture files that people look at."""

from pippin.show.grids import GAP, grid, save_picture, save_text
from pippin.show.timeline import timeline

__all__ = ["GAP", "grid", "save_picture", "save_text", "timeline"]
