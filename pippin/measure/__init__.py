"""Scores of images: features of a pretrained network, distances between two sets of features, and pixel statistics."""

from pippin.measure.colours import Colours, colours
from pippin.measure.features import BATCH_SIZE, NETWORKS, extract
from pippin.measure.memorisation import Memorisation, memorisation
from pippin.measure.perceptual import perceptual_distances
from pippin.measure.repetition import locked
from pippin.measure.scores import MIN_REFERENCES, Scores, diversity, kid, score
from pippin.measure.selection import commonness, realism, select_best

__all__ = [
    "BATCH_SIZE",
    "MIN_REFERENCES",
    "NETWORKS",
    "Colours",
    "Memorisation",
    "Scores",
    "colours",
    "commonness",
    "diversity",
    "extract",
    "kid",
    "locked",
    "memorisation",
    "perceptual_distances",
    "realism",
    "score",
    "select_best",
]
