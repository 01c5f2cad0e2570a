"""The user's cache folder, where everything lies that can be made again."""

import os
import tempfile
from pathlib import Path

import platformdirs


def user_cache(cache: str | os.PathLike[str] | None = None) -> Path:
    """Return Pippin's cache folder: `cache`, or `PIPPIN_CACHE`, or the user's cache folder.

    If the user has no home, it is in the folder of temporary files.
    """
    if named := cache or os.environ.get("PIPPIN_CACHE"):
        return Path(named)
    folder = Path(platformdirs.user_cache_dir("pippin"))
    return folder if folder.is_absolute() else Path(tempfile.gettempdir()) / "pippin"
