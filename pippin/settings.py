"""The settings of a run, the presets, and the reason for each choice."""

import dataclasses
import math
import numbers
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pippin.errors import SettingsError

IMAGE_SIZES = (16, 32, 64, 128, 256, 512)
DEFAULT_BATCHES = 5000
FEATURES = ("efficientnet-lite0", "none")
PRECISIONS = ("float32", "bfloat16")

SYNTHETIC, RANDOM = STARTS = "synthetic", "random"
"""The initial weights of the standard networks: trained on synthetic pictures (see `pippin.networks.start_weights`), or
random."""

SCORING_NETWORK = "efficientnet-lite1"
"""The network whose features are compared at checkups, by `evaluate` unless another is chosen, and by `curate`. The
discriminator does not use it: scores by features that the discriminator uses are biased (arXiv 2203.06026)."""


def _setting(default: Any, help: str, why: str) -> Any:
    """Return a field with one line of help, and the reason for its default."""
    return field(default=default, metadata={"help": help, "why": why})


@dataclass(frozen=True)
class Settings:
    """Everything except the training set that decides what a run learns.

    The settings are immutable and checked on construction. A run stores its settings and resumes only with the same
    ones. NumPy numbers are converted to Python numbers.

    Raises:
        SettingsError: a value has the wrong type or is out of range.
    """

    preset: str = _setting(
        "standard",
        "networks and training recipe: standard or classic",
        "its relativistic loss with both gradient penalties trains stably without balancing the two networks",
    )
    image_size: int = _setting(
        64, "side of the images in pixels: 16, 32, 64, 128, 256 or 512", "a size that a CPU can learn in minutes"
    )
    batches: int | None = _setting(
        DEFAULT_BATCHES, "number of batches to train", "photographs became recognisable after about this many"
    )
    minutes: float | None = _setting(None, "minutes to train, instead of a number of batches", "")
    batch_size: int = _setting(
        8,
        "real images in a batch; as many images are generated",
        "on two cores, twice as many steps as with 16 in nearly the same time",
    )
    seed: int = _setting(0, "random seed, 0 to 2⁶³ − 1", "an arbitrary number")
    latent_dim: int = _setting(
        208,
        "dimension of the latent vectors; from 160 on, the last 80 are noise maps",
        "128 for anchors, and 80 for noise maps, without which all images of many small things had the same layout",
    )
    features: str = _setting(
        "efficientnet-lite0",
        "input of the discriminator: efficientnet-lite0 for its features, or none for pixels",
        "with pretrained features the discriminator needs far fewer images (Projected GANs, arXiv 2111.01007)",
    )
    held_out: float = _setting(
        0.1,
        "share of the images kept for validation if there are at least 200, 0 to 0.5",
        "scores against training images would reward memorisation",
    )
    checkup: int = _setting(
        10_000,
        "real images between two checkups, the validation passes during training; 0 for none",
        "often enough to find the best checkpoint, in less than 5% of the training time",
    )
    rule: str = _setting(
        "auto",
        "training rule: relativistic, alternating, or auto to choose by the discriminator",
        "one pass updates both networks if the discriminator treats images independently, which is tested first",
    )
    learning_rate: float = _setting(
        1.5e-3, "learning rate of Adam after the warm-up, 0 to 1", "batch normalisation in the generator allows it"
    )
    learning_rate_end: float = _setting(
        1.5e-4, "learning rate at the end, with cosine decay, 0 to 1", "a small rate refines details at the end"
    )
    discriminator_rate: float = _setting(
        0.5,
        "learning rate of the discriminator as a multiple of the generator's",
        "the discriminator has no normalisation, so it needs a smaller rate",
    )
    warmup: int = _setting(
        100, "batches over which the learning rate grows linearly from near 0", "Adam's first averages are unreliable"
    )
    beta_1: float = _setting(
        0.0, "Adam's decay rate of the mean gradient per batch, 0 to 0.9999", "no momentum, as in R3GAN"
    )
    beta_2: float = _setting(
        0.99, "Adam's decay rate of the mean squared gradient per batch, 0 to 0.999999", "the final value of R3GAN"
    )
    gamma: float = _setting(
        200.0, "weight of the gradient penalties at the start", "with 1 the discriminator overpowers the generator"
    )
    gamma_end: float = _setting(
        20.0, "weight of the gradient penalties at the end, with cosine decay", "a tenth of the start, as in R3GAN"
    )
    anchored: float = _setting(
        0.5,
        "share of each batch that is generated from the anchors of its real images, 0 to 1",
        "a direct target for these images teaches the generator all kinds of image at once",
    )
    reconstruction: float = _setting(
        1.0,
        "weight of the reconstruction loss of anchored images at the start",
        "about as strong as the adversarial loss",
    )
    reconstruction_end: float = _setting(
        0.2,
        "weight of the reconstruction loss at the end, with cosine decay",
        "the final images should be new and sharp rather than close to training images",
    )
    augment_p: float = _setting(
        0.1,
        "probability of each kind of augmentation, 0 to 1",
        "increased automatically if the discriminator overfits",
    )
    shift_p: float = _setting(
        1.0,
        "probability of a random shift, 0 to 1",
        "without it the stride of the feature network appears as a grid pattern in the generated images",
    )
    blur: float = _setting(
        0.0,
        "largest blur of the discriminator's input: standard deviation as a fraction of the image's side, 0 to 1",
        "pretrained features recognise shapes without it",
    )
    blur_until: float = _setting(
        0.5, "share of the run after which half of the images are not blurred, 0 to 1", "used only with a blur"
    )
    frozen: float = _setting(
        0.0,
        "share of the run in which early layers of the discriminator keep the weights of the run that it starts from",
        "used only when a run starts from another (FreezeD, arXiv 2002.10964)",
    )
    width: float = _setting(
        1.0,
        "multiplier of the widths of the generator's stages, 0.25 to 8; only for the standard preset",
        "wider layers take a processor longer than they are worth",
    )
    precision: str = _setting(
        "float32",
        "precision of the generator and the feature network: float32 or bfloat16",
        "processors compute bfloat16 slowly",
    )
    ema_fraction: float = _setting(
        0.05,
        "half-life of the averaged generator's weights, as a fraction of the images seen, 0 to 1",
        "a half-life that grows with the run forgets the beginning and smooths the end",
    )
    start: str = _setting(
        SYNTHETIC,
        "initial weights: synthetic for networks trained on drawn shapes and textures, or random",
        "a generator that can draw shapes already learns photographs in fewer batches",
    )
    from_run: str | None = _setting(None, "folder of the run whose layers this run starts from", "")

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value, kind = getattr(self, item.name), _plain_type(item)
            if value is not None or item.type is kind:
                object.__setattr__(self, item.name, _checked(item.name, value, kind))
        check_image_size(self.image_size)
        if self.preset not in PRESETS:
            raise SettingsError(f"preset must be one of {', '.join(PRESETS)}. Received: preset={self.preset}")
        if (self.batches is None) == (self.minutes is None):
            received = f"batches={self.batches}, minutes={self.minutes}"
            raise SettingsError(f"Give either a number of batches or a number of minutes. Received: {received}")
        for name, low, high in _RANGES:
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), low, high)
        if self.features not in FEATURES:
            known = ", ".join(FEATURES)
            raise SettingsError(f"features must be one of {known}. Received: features={self.features}")
        if self.preset == "classic" and self.features != "none":
            received = f"Received: features={self.features}"
            raise SettingsError(f"The discriminator of the classic preset takes pixels; use features=none. {received}")
        if self.start not in STARTS:
            raise SettingsError(f"start must be {' or '.join(STARTS)}. Received: start={self.start}")
        if self.preset == "classic" and self.width != 1:
            raise SettingsError(f"The classic preset has one width; use width=1. Received: width={self.width}")
        if self.precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise SettingsError(f"precision must be one of {known}. Received: precision={self.precision}")
        if self.rule not in ("auto", "relativistic", "alternating"):
            raise SettingsError(f"rule must be auto, relativistic or alternating. Received: rule={self.rule}")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict that JSON can represent."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Settings":
        """Return the settings of a dict from `to_dict`.

        Raises:
            SettingsError: a name is unknown (the message lists the known ones), or a value has the wrong type or is out
                of range.
        """
        known = [item.name for item in dataclasses.fields(cls)]
        unknown = [name for name in values if name not in known]
        if unknown:
            raise SettingsError(f"Unknown setting. Known ones: {', '.join(known)}. Received: {', '.join(unknown)}")
        return cls(**values)


PRESETS: dict[str, dict[str, Any]] = {
    "standard": {},
    "classic": {
        "batch_size": 32,
        "features": "none",
        "rule": "alternating",
        "latent_dim": 100,
        "learning_rate": 2e-4,
        "learning_rate_end": 2e-4,
        "discriminator_rate": 1.0,
        "warmup": 0,
        "beta_1": 0.5,
        "beta_2": 0.999,
        "gamma": 0.0,
        "gamma_end": 0.0,
        "anchored": 0.0,
        "augment_p": 0.0,
        "shift_p": 0.0,
        "blur": 0.0,
        "start": RANDOM,
    },
}
"""Preset → the settings that differ from the defaults of `Settings`."""

PIXELS: dict[str, Any] = {
    "learning_rate": 4e-4,
    "learning_rate_end": 5e-5,
    "discriminator_rate": 1.0,
    "warmup": 200,
    "gamma": 5.0,
    "gamma_end": 1.0,
    "anchored": 0.0,
    "latent_dim": 128,
    "augment_p": 0.3,
    "shift_p": 0.3,
    "blur": 0.08,
    "start": RANDOM,
}
"""Settings of the standard preset that differ from the defaults if the discriminator takes pixels (at 64×64)."""

LARGE_BATCHES = {256: 8, 512: 4}
"""Image side → largest default batch size, so that training fits into the memory of common machines."""

FEW = 200
"""Number of training images below which augmentation is stronger from the start, because the discriminator soon
memorises so few images."""

FEW_AUGMENT_P = 0.5
"""`augment_p` for fewer than `FEW` training images."""

START_SIZE = 64
"""Side in pixels of the smallest images that start with the synthetic start weights. Networks for smaller images have
fewer filters in each stage, so the weights do not fit."""

_CLASSIC = "the networks and the alternating rule of the article, with Adam as in DCGAN (arXiv 1511.06434)"

_RANGES: tuple[tuple[str, float, float], ...] = (
    ("batches", 1, 10**9),
    ("minutes", 0.01, 10**6),
    ("batch_size", 2, 65536),
    ("seed", 0, 2**63 - 1),
    ("latent_dim", 1, 65536),
    ("held_out", 0, 0.5),
    ("checkup", 0, 10**9),
    ("learning_rate", 0, 1),
    ("learning_rate_end", 0, 1),
    ("discriminator_rate", 0, 1000),
    ("warmup", 0, 10**9),
    ("beta_1", 0, 0.9999),
    ("beta_2", 0, 0.999999),
    ("gamma", 0, 10**6),
    ("gamma_end", 0, 10**6),
    ("anchored", 0, 1),
    ("reconstruction", 0, 10**6),
    ("reconstruction_end", 0, 10**6),
    ("augment_p", 0, 1),
    ("shift_p", 0, 1),
    ("blur", 0, 1),
    ("blur_until", 0, 1),
    ("frozen", 0, 1),
    ("ema_fraction", 0, 1),
    ("width", 0.25, 8),
)


GIVEN = "given"
"""The reason for a setting that the user gave."""


@dataclass(frozen=True)
class Choice:
    """Settings, and the reason for each of them.

    Attributes:
        settings: the chosen settings.
        reasons: setting → reason, a short phrase; "given" for a setting that the user gave.
        given: names of the settings that the user gave.
        derived: names of the settings that follow from the user's networks or images.
    """

    settings: Settings
    reasons: dict[str, str]
    given: frozenset[str] = frozenset()
    derived: frozenset[str] = frozenset()

    def replace(self, name: str, value: Any, reason: str) -> "Choice":
        """Return the choice with another value of one setting, and the reason for it."""
        settings = dataclasses.replace(self.settings, **{name: value})
        return dataclasses.replace(self, settings=settings, reasons={**self.reasons, name: reason})


def choose(
    preset: str = "standard",
    image_size: int | None = None,
    images: int | None = None,
    derived: Mapping[str, tuple[Any, str]] | None = None,
    **given: Any,
) -> Choice:
    """Choose the settings of a run.

    Args:
        preset: a name in `PRESETS`.
        image_size: side of the images in pixels; None means not given.
        images: number of training images; None stands for many.
        derived: setting → value and reason, of settings that follow from the user's networks or images.
        **given: any other setting; None means not given.

    Returns:
        A `Choice`. Given settings take precedence over derived ones, and these over the preset.

    Raises:
        SettingsError: a preset or setting is unknown, or a value has the wrong type or is out of range.
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise SettingsError(f"preset must be one of {', '.join(PRESETS)}. Received: preset={preset}")
    given = {name: value for name, value in {"image_size": image_size, **given}.items() if value is not None}
    derived = {name: pair for name, pair in (derived or {}).items() if name not in given}
    fixed = {**{name: value for name, (value, _) in derived.items()}, **given}
    size = check_image_size(fixed.get("image_size", Settings.image_size))
    values = {"preset": preset, **PRESETS[preset]}
    reasons = {item.name: item.metadata["why"] for item in dataclasses.fields(Settings) if item.metadata["why"]}
    reasons |= dict.fromkeys(PRESETS[preset], f"the {preset} preset")
    if preset == "classic":
        reasons["preset"] = _CLASSIC
    if preset == "standard" and fixed.get("features") == "none":
        scale = (size / 64) ** 2
        values |= PIXELS | {"gamma": PIXELS["gamma"] * scale, "gamma_end": PIXELS["gamma_end"] * scale}
        reasons |= dict.fromkeys(PIXELS, "the discriminator takes pixels")
        if scale != 1:
            reasons["gamma"] = reasons["gamma_end"] = "the squared gradient norm grows with the number of pixels"
    if preset == "standard" and size < START_SIZE:
        values["start"] = RANDOM
        reasons["start"] = f"the synthetic start weights are for images of {START_SIZE}×{START_SIZE} pixels and more"
    if preset == "standard" and images is not None and images < FEW:
        values["augment_p"] = FEW_AUGMENT_P
        reasons["augment_p"] = f"the discriminator soon memorises {images:,} images, so augmentation is stronger"
    if values.get("batch_size", Settings.batch_size) > (largest := LARGE_BATCHES.get(size, math.inf)):
        values["batch_size"] = largest
        reasons["batch_size"] = "smaller batches, so that large images fit into memory"
    if "minutes" in given and "batches" not in given:
        values["batches"] = None
        reasons.pop("batches")
    reasons |= {name: reason for name, (_, reason) in derived.items()} | dict.fromkeys(given, GIVEN)
    return Choice(Settings.from_dict({**values, **fixed}), reasons, frozenset(given), frozenset(derived))


def parse(text: str) -> tuple[str, Any]:
    """Parse one setting of a command line.

    Args:
        text: "NAME=VALUE".

    Returns:
        `(name, value)`, the value with the type of the setting.

    Raises:
        SettingsError: the setting is unknown, or the value does not have its type.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    types = {item.name: _plain_type(item) for item in dataclasses.fields(Settings)}
    if not equals or name not in types:
        raise SettingsError(f"Give a setting as NAME=VALUE, one of {', '.join(types)}. Received: {text}")
    try:
        return name, types[name](value)
    except ValueError:
        raise SettingsError(f"{name} must be {_NOUNS[types[name]]}. Received: {text}") from None


def check_image_size(image_size: int) -> int:
    """Return `image_size` as a Python integer, if it is one of `IMAGE_SIZES`.

    Raises:
        SettingsError: it is not.
    """
    if check_integer("image_size", image_size) not in IMAGE_SIZES:
        raise SettingsError(f"image_size must be a power of two from 16 to 512. Received: image_size={image_size}")
    return operator.index(image_size)


def check_integer(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> int:
    """Return a number as a Python integer, if it is an integer from `low` to `high`.

    Args:
        name: what the caller calls it, for the message.
        value: a Python or NumPy integer; a bool is none.
        low, high: the smallest and the largest value allowed.

    Raises:
        SettingsError: it is no integer, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise SettingsError(f"{name} must be an integer. Received: {name}={value!r}")
    _check_range(name, value, low, high)
    return operator.index(value)


def check_number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """Return a number as a Python number, if it is finite and from `low` to `high`.

    Args:
        name: what the caller calls it, for the message.
        value: a Python or NumPy number; a bool is none.
        low, high: the smallest and the largest value allowed.

    Raises:
        SettingsError: it is no number, not finite, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise SettingsError(f"{name} must be a number. Received: {name}={value!r}")
    if isinstance(value, numbers.Integral):
        return check_integer(name, value, low, high)
    if not math.isfinite(value):
        raise SettingsError(f"{name} must be a finite number. Received: {name}={value}")
    _check_range(name, value, low, high)
    return float(value)


def _check_range(name: str, value: Any, low: float, high: float) -> None:
    if not low <= value <= high:
        allowed = f"from {low:g} to {high:g}" if math.isfinite(high) else f"at least {low:g}"
        raise SettingsError(f"{name} must be {allowed}. Received: {name}={value}")


def _checked(name: str, value: Any, kind: type) -> Any:
    """Return a setting's value as a plain Python value of its type."""
    if kind is int:
        return check_integer(name, value)
    if kind is float:
        return check_number(name, value)
    if not isinstance(value, str):
        raise SettingsError(f"{name} must be {_NOUNS[kind]}. Received: {name}={value!r}")
    return value


def _plain_type(item: dataclasses.Field) -> type:
    """Return the type of a setting's values other than None."""
    return next(kind for kind in _NOUNS if item.type in (kind, kind | None))


_NOUNS: dict[type, str] = {int: "an integer", float: "a number", str: "a string"}
