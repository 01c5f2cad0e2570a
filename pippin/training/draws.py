"""All randomness of training, as data: (seed, step) → which pictures, latents and augmentation draws.

A counter-based generator (Philox, Salmon et al. 2011) is keyed by the seed and counts from the step, so the draws of
step n need none of those before it: resuming is exact, and engines and workers agree without talking.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pippin.pictures import RGB, RGBA, Labels
from pippin.training.augment import KINDS

# What the numbers are for; each purpose has a stream of its own, so that adding one leaves the others as they were.
_LATENTS, _AUGMENT, SHUFFLE, _FIXED, ANCHORED, _PICTURE, _GROUND, LABELLED, LABELLED_ANCHORED = range(9)


def generator(seed: int, purpose: int, counter: int = 0) -> np.random.Generator:
    """Return the generator for one purpose at one step; it may draw 2⁶⁴ blocks before it meets the next step's."""
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, counter, 0, 0]))


def indices(seed: int, step: int, batch_size: int, dataset_size: int, purpose: int = SHUFFLE) -> np.ndarray:
    """Which pictures step n sees: all of them once, in a new order each time round.

    Args:
        seed: of the run.
        step: from 0.
        batch_size: pictures a step.
        dataset_size: pictures there are.
        purpose: whose order; `ANCHORED` has one of its own.

    Returns:
        int64 (batch_size,).
    """
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    rounds = positions // dataset_size
    orders = {int(r): generator(seed, purpose, int(r)).permutation(dataset_size) for r in np.unique(rounds)}
    return np.array([orders[int(r)][p % dataset_size] for r, p in zip(rounds, positions, strict=True)], np.int64)


def labelled_indices(seed: int, step: int, batch_size: int, labels: Labels, purpose: int = LABELLED) -> np.ndarray:
    """Which pictures step n sees where they have labels: for each a label by its share, and any picture that has it.

    Args:
        seed, step, batch_size: as for `indices`.
        labels: of all pictures.
        purpose: whose draws; `LABELLED_ANCHORED` has some of its own.

    Returns:
        int64 (batch_size,).
    """
    rng = generator(seed, purpose, step)
    kinds = rng.choice(len(labels), batch_size, p=labels.shares)
    return np.array([rng.choice(labels.members[kind]) for kind in kinds], np.int64)


def latents(seed: int, step: int, batch_size: int, latent_dim: int) -> np.ndarray:
    """Return the latents of one step: float32 (batch_size, latent_dim), standard normal."""
    return generator(seed, _LATENTS, step).standard_normal((batch_size, latent_dim), dtype=np.float32)


def fixed_latents(seed: int, count: int, latent_dim: int) -> np.ndarray:
    """Return latents for looking at: float32 (count, latent_dim), the first n of them the same for every count."""
    return generator(seed, _FIXED).standard_normal((count, latent_dim), dtype=np.float32)


def seed_latents(seeds: Sequence[int], latent_dim: int) -> np.ndarray:
    """Return the latent that each seed stands for: float32 (len(seeds), latent_dim), standard normal.

    A picture's seed has nothing to do with its run's: the same one means the same latent in every run.
    """
    drawn = [generator(seed, _PICTURE).standard_normal(latent_dim, dtype=np.float32) for seed in seeds]
    return np.stack(drawn)


def augment_draws(seed: int, step: int, count: int, channels: int = RGB) -> dict[str, np.ndarray]:
    """Return what `pippin.training.augment.augment` needs for `count` pictures.

    Returns:
        float32 arrays, uniform in [0, 1), but for `blur`: half of those are 0 and the others uniform, and picture i and
        picture count/2 + i, which the discriminator compares, have the same. So it is with
        `ground`, which only pictures of four channels have.
    """
    uniform = generator(seed, _AUGMENT, step).random((count, len(KINDS) + 9), dtype=np.float32)
    gates, flip, translation, colour, cutout, blur = np.split(uniform, np.cumsum([len(KINDS), 1, 2, 3, 2]), axis=1)
    blur = np.resize(np.maximum(0, 2 * blur[: -(-count // 2), 0] - 1), count)
    drawn = {
        "gates": gates,
        "flip": flip[:, 0],
        "translation": translation,
        "colour": colour,
        "cutout": cutout,
        "blur": blur,
    }
    if channels == RGBA:
        drawn["ground"] = np.resize(generator(seed, _GROUND, step).random(-(-count // 2), dtype=np.float32), count)
    return drawn


def step_draws(seed: int, step: int, batch_size: int, latent_dim: int, channels: int = RGB) -> dict[str, Any]:
    """Return what is random about one step: `latents`, and `augment` for 2 × batch_size pictures."""
    return {
        "latents": latents(seed, step, batch_size, latent_dim),
        "augment": augment_draws(seed, step, 2 * batch_size, channels),
    }
