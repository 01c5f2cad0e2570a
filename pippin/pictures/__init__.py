"""Pictures of any kind → one dataset."""

from pippin.pictures.channels import GREY, RGB, RGBA, to_float, to_rgb, to_uint8
from pippin.pictures.dataset import Dataset
from pippin.pictures.entries import Audit, Entry
from pippin.pictures.labels import Labels, cycle_labels, one_hot
from pippin.pictures.preparation import Preparation
from pippin.pictures.preparing.prepare import prepare
from pippin.pictures.preparing.single import prepare_one_photo
from pippin.pictures.sources import Source, open_source, typical_side
from pippin.pictures.split import Subset, split

__all__ = [
    "GREY",
    "RGB",
    "RGBA",
    "Audit",
    "Dataset",
    "Entry",
    "Labels",
    "Preparation",
    "Source",
    "Subset",
    "cycle_labels",
    "one_hot",
    "open_source",
    "prepare",
    "prepare_one_photo",
    "split",
    "to_float",
    "to_rgb",
    "to_uint8",
    "typical_side",
]
