"""Collecting a folder of openly licensed pictures from a search, with their credits."""

from pippin.collecting.collection import Collection, collect

__all__ = ["Collection", "collect"]
