"""Everything random about training, as data: (seed, step) → which images, latents and augmentations.

A counter-based generator (Philox, Salmon et al. 2011) is keyed by the seed and a purpose, and its counter is the step.
So the draws of step n do not depend on those before it: resuming is exact, and all engines have the same draws.
"""

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np

from pippin.pictures import RGB, RGBA, Labels
from pippin.training.augment import KINDS


class Purpose(IntEnum):
    """What numbers are drawn for. Each purpose has an independent stream, so a new one leaves the others unchanged."""

    LATENTS = 0
    AUGMENTATION = 1
    SHUFFLE = 2
    FIXED_LATENTS = 3
    ANCHORED = 4
    SEED_LATENTS = 5
    BACKGROUND = 6
    LABELLED = 7
    LABELLED_ANCHORED = 8


def random_stream(seed: int, purpose: int, counter: int = 0) -> np.random.Generator:
    """Return the generator for one purpose at one step; it has 2⁶⁴ blocks before the next step's begin."""
    return np.random.Generator(np.random.Philox(key=[seed, int(purpose)], counter=[0, counter, 0, 0]))


def batch_indices(
    seed: int, step: int, batch_size: int, dataset_size: int, purpose: Purpose = Purpose.SHUFFLE
) -> np.ndarray:
    """Return which images are in the batch of a step: each once per epoch, in a new order every epoch.

    Args:
        seed: Seed of the run.
        step: Number of the step, from 0.
        batch_size: Images in a batch.
        dataset_size: Images in the dataset.
        purpose: Stream that the order comes from.

    Returns:
        int64 (batch_size,), from 0 to dataset_size − 1.
    """
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = positions // dataset_size
    orders = {int(epoch): _permutation(seed, purpose, int(epoch), dataset_size) for epoch in np.unique(epochs)}
    return np.array(
        [orders[int(epoch)][p % dataset_size] for epoch, p in zip(epochs, positions, strict=True)], np.int64
    )


@lru_cache(maxsize=4)
def _permutation(seed: int, purpose: Purpose, epoch: int, dataset_size: int) -> np.ndarray:
    """Return the order of one epoch, int64 (dataset_size,), read-only.

    It is the same for all steps of an epoch. Training needs two at a time (images and anchors), and two more where a
    batch spans two epochs. Each takes 8 bytes per image: four of 100,000 images take 3.2 MB.
    """
    order = random_stream(seed, purpose, epoch).permutation(dataset_size)
    order.flags.writeable = False
    return order


def labelled_batch_indices(
    seed: int, step: int, batch_size: int, labels: Labels, purpose: Purpose = Purpose.LABELLED
) -> np.ndarray:
    """Return which images are in the batch of a step, for a dataset with labels.

    Each place in the batch draws a label according to the labels' shares, and then any image with that label.

    Args:
        seed: Seed of the run.
        step: Number of the step, from 0.
        batch_size: Images in a batch.
        labels: Labels of all images in the dataset.
        purpose: Stream that the draws come from.

    Returns:
        int64 (batch_size,), from 0 to the size of the dataset − 1.
    """
    rng = random_stream(seed, purpose, step)
    drawn_labels = rng.choice(len(labels), batch_size, p=labels.shares)
    return np.array([rng.choice(labels.members[label]) for label in drawn_labels], np.int64)


def batch_latents(seed: int, step: int, batch_size: int, latent_dim: int) -> np.ndarray:
    """Return the latents of a step: float32 (batch_size, latent_dim), standard normal."""
    return random_stream(seed, Purpose.LATENTS, step).standard_normal((batch_size, latent_dim), dtype=np.float32)


def fixed_latents(seed: int, count: int, latent_dim: int) -> np.ndarray:
    """Return the latents of snapshots: float32 (count, latent_dim), standard normal.

    The first n are the same for every count.
    """
    return random_stream(seed, Purpose.FIXED_LATENTS).standard_normal((count, latent_dim), dtype=np.float32)


def seed_latents(seeds: Sequence[int], latent_dim: int) -> np.ndarray:
    """Return the latent of each seed: float32 (len(seeds), latent_dim), standard normal.

    These seeds are independent of the run's seed: one seed means the same latent in every run.
    """
    streams = [random_stream(seed, Purpose.SEED_LATENTS) for seed in seeds]
    return np.stack([stream.standard_normal(latent_dim, dtype=np.float32) for stream in streams])


def augmentation_draws(seed: int, step: int, count: int, channels: int = RGB) -> dict[str, np.ndarray]:
    """Return the draws that `pippin.training.augment.augment` takes for `count` images, real and generated ones.

    Image i and image count/2 + i are a pair that the relativistic loss compares. Both have the same `blur` and the same
    `background`.

    Args:
        seed: Seed of the run.
        step: Number of the step, from 0.
        count: Number of images, twice the batch size.
        channels: Channels of the images.

    Returns:
        float32 arrays `gates` (count, 4), `flip` (count,), `translation` (count, 2), `colour` (count, 3), `cutout`
        (count, 2) and, for RGBA only, `background` (count,), all uniform in [0, 1); and `blur` (count,), which is 0
        for half of the pairs and uniform in (0, 1) for the others.
    """
    uniform = random_stream(seed, Purpose.AUGMENTATION, step).random((count, len(KINDS) + 9), dtype=np.float32)
    gates, flip, translation, colour, cutout, blur = np.split(uniform, np.cumsum([len(KINDS), 1, 2, 3, 2]), axis=1)
    pairs = -(-count // 2)
    drawn = {
        "gates": gates,
        "flip": flip[:, 0],
        "translation": translation,
        "colour": colour,
        "cutout": cutout,
        "blur": np.resize(np.maximum(0, 2 * blur[:pairs, 0] - 1), count),
    }
    if channels == RGBA:
        background = random_stream(seed, Purpose.BACKGROUND, step).random(pairs, dtype=np.float32)
        drawn["background"] = np.resize(background, count)
    return drawn


def share_geometry(augment: dict[str, np.ndarray], groups: int) -> None:
    """Give the images of a group the same flip and translation, so that they can be compared place by place.

    Images i, i + groups, i + 2 groups, … are a group (see `pippin.networks.groups`); generated images have the geometry
    of the real ones at the same indices.

    Args:
        augment: See `augmentation_draws`; changed in place.
        groups: Number of groups of real images.
    """
    half = len(augment["flip"]) // 2
    source = np.tile(np.arange(half) % groups, 2)
    geometry = [KINDS.index("flip"), KINDS.index("translation")]
    augment["gates"][:, geometry] = augment["gates"][source][:, geometry]
    for name in ("flip", "translation"):
        augment[name] = augment[name][source]


def step_draws(seed: int, step: int, batch_size: int, latent_dim: int, channels: int = RGB) -> dict[str, Any]:
    """Return the draws of a step: `latents`, and `augment` for 2 × batch_size images."""
    return {
        "latents": batch_latents(seed, step, batch_size, latent_dim),
        "augment": augmentation_draws(seed, step, 2 * batch_size, channels),
    }
