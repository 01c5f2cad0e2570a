"""The schedule: the values of learning rate, penalty weights, augmentation and averaging for each step."""

import math

from pippin.settings import Settings


def schedule_at(settings: Settings, progress: float, images_seen: int) -> dict[str, float]:
    """Compute the scheduled values of one step.

    Args:
        settings: The run's settings.
        progress: Completed share of the run, 0 to 1. Values outside are clipped.
        images_seen: Real images seen before this step.

    Returns:
        `learning_rate`, `discriminator_rate` (a multiple of it), `beta_1`, `beta_2`, `gamma`, `reconstruction`,
        `augment_p`, `shift_p`, `blur` and `blur_floor` (standard deviations in pixels), `early_rate` (a factor on the
        learning rate of the discriminator's early layers) and `ema_decay` (per step).
    """
    half_life = settings.ema_fraction * images_seen
    warmup = min(1.0, (images_seen / settings.batch_size + 1) / (settings.warmup + 1))
    blur = settings.blur * settings.image_size
    return {
        "learning_rate": warmup * cosine_decay(settings.learning_rate, settings.learning_rate_end, progress),
        "discriminator_rate": settings.discriminator_rate,
        "beta_1": settings.beta_1,
        "beta_2": settings.beta_2,
        "gamma": cosine_decay(settings.gamma, settings.gamma_end, progress),
        "reconstruction": cosine_decay(settings.reconstruction, settings.reconstruction_end, progress),
        "augment_p": settings.augment_p,
        "shift_p": settings.shift_p,
        "blur": blur,
        "blur_floor": blur * max(0.0, 1 - progress / max(settings.blur_until, 1e-9)),
        "early_rate": 1.0 if progress >= settings.frozen else 0.0,
        "ema_decay": 0.5 ** (settings.batch_size / half_life) if half_life > 0 else 0.0,
    }


def cosine_decay(start: float, end: float, progress: float) -> float:
    """Return the value at `progress` on half a cosine from `start` (at 0) to `end` (at 1)."""
    return end + (start - end) * (1 + math.cos(math.pi * min(max(progress, 0.0), 1.0))) / 2
