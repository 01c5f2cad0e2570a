"""How good pictures are, in numbers: what a network sees in them, and scores between two sets of that."""

from pippin.measure.colours import Colours, colours
from pippin.measure.features import BATCH, NETWORKS, extract
from pippin.measure.memorisation import Memorisation, memorisation
from pippin.measure.perceptual import perceptual_distances
from pippin.measure.scores import Scores, diversity, kid, score
from pippin.measure.selection import best, commonness, realism

__all__ = [
    "BATCH",
    "NETWORKS",
    "Colours",
    "Memorisation",
    "Scores",
    "best",
    "colours",
    "commonness",
    "diversity",
    "extract",
    "kid",
    "memorisation",
    "perceptual_distances",
    "realism",
    "score",
]
