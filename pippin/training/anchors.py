"""Which latents the real pictures have, so that the generator is also shown what to paint.

A discriminator only says that a picture is wrong. In the minutes that a processor has, that alone leaves whole kinds
of picture unpainted. So each real picture is given latents of its own, its anchor: alike pictures get near ones, and
all of them together are spread as the latents that training draws are. From a share of every batch the generator
paints the real picture of the same place in the batch, and is told how far it is off (as in GLO, Bojanowski et al.
2018, arXiv 1707.05776, whose latents are learnt; here they come from the principal components of what pictures look
like).
"""

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from pippin.networks import Networks
from pippin.pictures import Labels, Subset, to_float
from pippin.training import draws

MOST = 4096
"""Pictures that are given anchors; of more, so many are drawn."""

AT_ONCE = 8
"""Pictures that are looked at together: no more than a step has in memory."""

DIMENSIONS = 128
"""Latents that an anchor fixes; the others stay random. The first ones say most about a picture: of photos/apples
32 principal components hold 73% of the variance, 64 hold 82%. With 32, heaps of apples were all arranged alike."""

THUMBNAIL, GLANCE = 16, 4
"""Sides at which the pixels and the projector's maps are compared."""


class Anchors(NamedTuple):
    """The latents of real pictures.

    Attributes:
        pictures: int64 (M,), which pictures have some, sorted.
        latents: float32 (M, D), theirs; each column is spread like a standard normal variable.
    """

    pictures: np.ndarray
    latents: np.ndarray


def find(networks: Networks, pictures: Subset | np.ndarray, latent_dim: int, labels: Labels | None = None) -> Anchors:
    """Give real pictures latents.

    Args:
        networks: see `pippin.networks`; with a projector, what it sees counts as much as the pixels do.
        pictures: uint8 (N, S, S, C), or what gives such pictures for `pictures[indices]`.
        latent_dim: of the generator, without labels.
        labels: of the pictures. The generator is told those, so latents tell what differs within a kind: all of its
            pictures together are spread as latents are drawn.

    Returns:
        Anchors of M = min(N, `MOST`) pictures and D = min(`DIMENSIONS`, latent_dim, M − 1) latents.
    """
    count = len(pictures)
    chosen = np.sort(np.random.default_rng(0).permutation(count)[:MOST])
    parts = [_look(networks, pictures[chosen[at : at + AT_ONCE]]) for at in range(0, len(chosen), AT_ONCE)]
    views = [_scaled(np.concatenate(view)) for view in zip(*parts, strict=True)]
    features = np.concatenate(views, axis=1)
    kinds = labels[chosen].members if labels is not None else (np.arange(len(chosen)),)
    if labels is not None:
        for kind in kinds:
            features[kind] -= features[kind].mean(axis=0)
    components = principal_components(features)[:, : min(DIMENSIONS, latent_dim)]
    latents = np.empty(components.shape, "float32")
    for kind in kinds:
        latents[kind] = normalised(components[kind])
    return Anchors(chosen, latents)


def tie(
    anchors: Anchors, count: int, seed: int, step: int, drawn: dict[str, Any], labels: Labels | None = None
) -> np.ndarray:
    """Let the first pictures of a batch be painted from the anchors of real ones.

    Args:
        anchors: see `find`.
        count: how many, at most half of what `drawn` augments.
        seed, step: see `pippin.training.draws`.
        drawn: what `pippin.training.draws.step_draws` gave; its latents are changed, and what is done to the painted
            pictures when they are augmented is made the same as for the real ones.
        labels: of all pictures.

    Returns:
        int64 (count,), the real pictures.
    """
    if labels is None:
        which = draws.indices(seed, step, count, len(anchors.pictures), draws.ANCHORED)
    else:
        which = draws.labelled_indices(seed, step, count, labels[anchors.pictures], draws.LABELLED_ANCHORED)
    drawn["latents"][:count, : anchors.latents.shape[1]] = anchors.latents[which]
    for values in drawn["augment"].values():
        half = len(values) // 2
        values[half : half + count] = values[:count]
    return anchors.pictures[which]


def principal_components(features: np.ndarray) -> np.ndarray:
    """Return the scores of centred features (N, F) on their principal components, (N, N − 1), each of length 1.

    They are ordered from the largest variance; of each the sign is chosen so that its largest value is positive.
    """
    vectors = np.linalg.eigh(features @ features.T).eigenvectors  # the scores, but for the size of each column
    scores = vectors[:, ::-1][:, : max(1, len(features) - 1)]
    return scores * np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])])


def normalised(values: np.ndarray) -> np.ndarray:
    """Spread each column of (N, D) as a standard normal variable is, keeping its order."""
    count = len(values)
    quantiles = np.array([NormalDist().inv_cdf((rank + 0.5) / count) for rank in range(count)])
    return quantiles[values.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")]


def _look(networks: Networks, images: np.ndarray) -> list[np.ndarray]:
    """Return what a few pictures look like: their pixels from afar, and the projector's two coarsest maps."""
    seen = [_shrunk(to_float(images), THUMBNAIL)]
    if networks.projector is not None:
        filled = np.resize(to_float(images), (AT_ONCE, *images.shape[1:]))  # one shape only: compiled once
        maps = networks.projector.predict_on_batch(filled)
        seen.append(np.concatenate([_shrunk(np.asarray(x)[: len(images)], GLANCE) for x in maps[-2:]], axis=1))
    return seen


def _shrunk(x: np.ndarray, side: int) -> np.ndarray:
    """Average maps (B, H, W, C) to `side` pixels, where they are larger, and lay them out as (B, F)."""
    side = min(side, x.shape[1])
    return x.reshape(len(x), side, x.shape[1] // side, side, x.shape[1] // side, -1).mean((2, 4)).reshape(len(x), -1)


def _scaled(view: np.ndarray) -> np.ndarray:
    """Centre a view (N, F), with a total variance of 1."""
    centred = view.astype("float64") - view.mean(axis=0)
    return centred / max(np.sqrt((centred**2).sum(axis=1).mean()), 1e-12)
