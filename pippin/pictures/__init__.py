"""A folder of anything → one dataset."""

from pippin.pictures.audit import Audit, Entry
from pippin.pictures.dataset import Dataset, to_float, to_uint8
from pippin.pictures.prepare import prepare

__all__ = ["Audit", "Dataset", "Entry", "prepare", "to_float", "to_uint8"]
