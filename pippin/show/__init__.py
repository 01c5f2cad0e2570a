"""Arrays of pictures → picture files and videos that people look at."""

from pippin.show.files import NOTED, check_ending, read_note, save_picture, save_text
from pippin.show.film import film
from pippin.show.grids import GAP, grid, strips
from pippin.show.grounds import on_paper, seen
from pippin.show.timeline import timeline
from pippin.show.video import check_video, save_video

__all__ = [
    "GAP",
    "NOTED",
    "check_ending",
    "check_video",
    "film",
    "grid",
    "on_paper",
    "read_note",
    "save_picture",
    "save_text",
    "save_video",
    "seen",
    "strips",
    "timeline",
]
