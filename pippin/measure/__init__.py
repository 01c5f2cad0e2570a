"""How good pictures are, in numbers: what a network sees in them, and scores between two sets of that."""

from pippin.measure.features import NETWORKS, extract
from pippin.measure.memorisation import Memorisation, memorisation
from pippin.measure.scores import Scores, diversity, kid, score

__all__ = ["NETWORKS", "Memorisation", "Scores", "diversity", "extract", "kid", "memorisation", "score"]
