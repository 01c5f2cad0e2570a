"""Pictures from an open-licence search: asked for politely, checked, and credited."""

from pippin.collecting.collection import Collection, collect

__all__ = ["Collection", "collect"]
