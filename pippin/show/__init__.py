"""Image files, sheets and videos from arrays of images."""

from pippin.show.backgrounds import on_checkerboard, on_white
from pippin.show.files import NOTE_SUFFIXES, check_suffix, read_note, save_picture, save_text
from pippin.show.film import film
from pippin.show.grids import GAP, grid, titled_rows
from pippin.show.timeline import timeline
from pippin.show.video import check_video, save_video

__all__ = [
    "GAP",
    "NOTE_SUFFIXES",
    "check_suffix",
    "check_video",
    "film",
    "grid",
    "on_checkerboard",
    "on_white",
    "read_note",
    "save_picture",
    "save_text",
    "save_video",
    "timeline",
    "titled_rows",
]
