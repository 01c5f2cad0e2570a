"""What a run is made with, and how it is chosen. Every choice carries its reason."""

import dataclasses
import math
import numbers
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pippin.errors import SettingsError

IMAGE_SIZES = (16, 32, 64, 128, 256)
DEFAULT_BATCHES = 5000
FEATURES = ("efficientnet-lite0", "none")


def _setting(default: Any, help: str, why: str) -> Any:
    return field(default=default, metadata={"help": help, "why": why})


@dataclass(frozen=True)
class Settings:
    """Everything that decides what a run learns, besides its pictures.

    Frozen and checked when it is made. A run stores it, and goes on only with the same one.

    Raises:
        SettingsError: a value is out of its range.
    """

    preset: str = _setting(
        "standard",
        "networks and recipe to start from: standard or classic",
        "the relativistic loss with both gradient penalties needs no balancing of the players by hand",
    )
    image_size: int = _setting(
        64, "side of the pictures, in pixels: 16, 32, 64, 128 or 256", "what a processor learns in minutes"
    )
    batches: int | None = _setting(DEFAULT_BATCHES, "batches to train for", "what photographs took to become plain")
    minutes: float | None = _setting(None, "minutes to train for, instead of a number of batches", "")
    batch_size: int = _setting(
        8,
        "pictures of each kind, real and generated, a batch",
        "on two cores twice as many moves as with 16 in nearly the same time",
    )
    seed: int = _setting(0, "seed of everything random, from 0 to 2⁶³ − 1", "any number will do")
    latent_dim: int = _setting(
        128, "numbers that each picture is painted from", "with 32 of them told apart, all heaps were arranged alike"
    )
    features: str = _setting(
        "efficientnet-lite0",
        "what the discriminator judges: efficientnet-lite0, or none: pixels",
        "a discriminator that can see already needs far fewer pictures (Projected GANs, arXiv 2111.01007)",
    )
    held_out: float = _setting(
        0.1,
        "share of the pictures, of 200 or more, that is kept aside to judge by, 0 to 0.5",
        "scores against pictures that were learnt from would praise learning by heart",
    )
    checkup: int = _setting(
        10_000,
        "real pictures seen between two looks at how good the painted ones are; 0: none",
        "often enough to keep the best, and under a twentieth of the time",
    )
    rule: str = _setting(
        "auto",
        "how the players move: relativistic, alternating, or auto (by the discriminator)",
        "one pass serves both players where the discriminator judges each picture alone, which is tried out",
    )
    learning_rate: float = _setting(
        1.5e-3, "Adam's step after the warm-up", "a generator whose maps are normalised learns well so fast"
    )
    learning_rate_end: float = _setting(1.5e-4, "Adam's step at the end, reached along a cosine", "calm at the end")
    discriminator_rate: float = _setting(
        0.5, "the discriminator's step, as a multiple of the generator's", "it has nothing that normalises"
    )
    warmup: int = _setting(
        100, "batches in which Adam's step grows from almost nothing", "its averages know nothing in the first ones"
    )
    beta_1: float = _setting(0.0, "Adam's decay of the mean gradient, a batch", "as in R3GAN: no momentum")
    beta_2: float = _setting(0.99, "Adam's decay of the mean squared gradient, a batch", "as R3GAN ends with")
    gamma: float = _setting(
        200.0, "weight of the gradient penalties at the beginning", "with 1 the discriminator wins outright"
    )
    gamma_end: float = _setting(
        20.0, "weight of the gradient penalties at the end, reached along a cosine", "a tenth, as in R3GAN"
    )
    anchored: float = _setting(
        0.5,
        "share of a batch that is painted from the latents of real pictures, 0 to 1",
        "shown what to paint, and not only told that it is wrong, the generator learns all kinds of picture at once",
    )
    reconstruction: float = _setting(
        1.0, "weight of how far those are off, at the beginning", "about as strong as what the discriminator says"
    )
    reconstruction_end: float = _setting(
        0.2, "the same at the end, reached along a cosine", "in the end pictures are to be new and sharp"
    )
    augment_p: float = _setting(
        0.1, "probability of each kind of augmentation, 0 to 1", "raised by itself when the discriminator overfits"
    )
    shift_p: float = _setting(
        1.0,
        "probability of being shifted, the augmentation that hides the features' grid, 0 to 1",
        "with every second picture unshifted the strides of the features show as a hatching",
    )
    blur: float = _setting(
        0.0, "largest blur of what the discriminator sees, as a fraction of the side", "features see shapes without"
    )
    blur_until: float = _setting(
        0.5, "how much of the run has passed when half of the pictures are sharp, 0 to 1", "only of use with a blur"
    )
    frozen: float = _setting(
        0.0,
        "share of the run in which the discriminator's early layers stay as the run had them that it started from",
        "only of use where a run starts from another (FreezeD, arXiv 2002.10964)",
    )
    ema_fraction: float = _setting(
        0.05,
        "half-life of the averaged generator, as a fraction of the images seen",
        "a half-life that grows with the run forgets the beginning and calms the end",
    )
    from_run: str | None = _setting(None, "folder of the run whose layers this one starts from", "")

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
            raise SettingsError(f"Train for a number of batches or of minutes: give one of them. Received: {received}")
        for name, low, high in _RANGES:
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), low, high)
        if self.features not in FEATURES:
            known = ", ".join(FEATURES)
            raise SettingsError(f"features must be one of {known}. Received: features={self.features}")
        if self.preset == "classic" and self.features != "none":
            raise SettingsError(f"The classic discriminator judges pixels. Received: features={self.features}")
        if self.rule not in ("auto", "relativistic", "alternating"):
            raise SettingsError(f"rule must be auto, relativistic or alternating. Received: rule={self.rule}")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as what JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Settings":
        """Make settings from what `to_dict` gave.

        Raises:
            SettingsError: an unknown name (the message lists the known ones), or a value out of its range.
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
    },
}
"""What each preset sets differently from the defaults of `Settings`."""

PIXELS: dict[str, Any] = {
    "learning_rate": 4e-4,
    "learning_rate_end": 5e-5,
    "discriminator_rate": 1.0,
    "warmup": 200,
    "gamma": 5.0,
    "gamma_end": 1.0,
    "anchored": 0.0,
    "augment_p": 0.3,
    "shift_p": 0.3,
    "blur": 0.08,
}
"""What `standard` sets differently where the discriminator judges pixels, at 64×64."""

LARGE_BATCH = 8
"""Pictures of 256×256 at a time, at most."""

FEW_AUGMENT_P = 0.5

_CLASSIC = "the article's pair and its alternating rule, with Adam as DCGAN sets it (arXiv 1511.06434)"

FEW = 200
"""Pictures below which the discriminator soon knows them by heart, so that more of them is hidden from it."""

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
)


@dataclass(frozen=True)
class Choice:
    """Settings, and the reason for each of them.

    Attributes:
        settings: what was chosen.
        reasons: name → why, in plain words; "given" for what somebody asked for.
    """

    settings: Settings
    reasons: dict[str, str]

    @property
    def given(self) -> frozenset[str]:
        """The names of the settings that somebody asked for."""
        return frozenset(name for name, reason in self.reasons.items() if reason == GIVEN)


GIVEN = "given"


def choose(preset: str = "standard", image_size: int = 64, pictures: int | None = None, **overrides: Any) -> Choice:
    """Choose the settings of a run.

    Args:
        preset: a name in `PRESETS`.
        image_size: side of the pictures, in pixels.
        pictures: how many there are to learn from; None: enough.
        **overrides: any other setting; None means not given.

    Returns:
        A `Choice`.

    Raises:
        SettingsError: an unknown preset or setting, or a value out of its range.
    """
    check_image_size(image_size)
    if preset not in PRESETS:
        raise SettingsError(f"preset must be one of {', '.join(PRESETS)}. Received: preset={preset}")
    values = {"preset": preset, "image_size": image_size, **PRESETS[preset]}
    reasons = {item.name: item.metadata["why"] for item in dataclasses.fields(Settings) if item.metadata["why"]}
    reasons |= dict.fromkeys(PRESETS[preset], f"the {preset} preset")
    if preset == "classic":
        reasons["preset"] = _CLASSIC
    if preset == "standard" and overrides.get("features") == "none":
        scale = (image_size / 64) ** 2
        values |= PIXELS | {"gamma": PIXELS["gamma"] * scale, "gamma_end": PIXELS["gamma_end"] * scale}
        reasons |= dict.fromkeys(PIXELS, "the discriminator judges pixels")
        if scale != 1:
            reasons["gamma"] = reasons["gamma_end"] = "the squared gradient norm grows with the number of pixels"
    if preset == "standard" and pictures is not None and pictures < FEW:
        values["augment_p"] = FEW_AUGMENT_P
        reasons["augment_p"] = f"{pictures:,} pictures are soon known by heart, so much of each is hidden"
    if image_size == 256 and values.get("batch_size", Settings.batch_size) > LARGE_BATCH:
        values["batch_size"] = LARGE_BATCH
        reasons["batch_size"] = "fewer pictures at a time, so that large ones fit into memory"
    given = {name: value for name, value in overrides.items() if value is not None}
    if "minutes" in given and "batches" not in given:
        values["batches"] = None
        reasons.pop("batches")
    return Choice(Settings.from_dict({**values, **given}), {**reasons, **dict.fromkeys(given, GIVEN)})


def parse(text: str) -> tuple[str, Any]:
    """Read one setting from a command line.

    Args:
        text: "NAME=VALUE".

    Returns:
        `(name, value)`, the value of the type that the setting has.

    Raises:
        SettingsError: there is no such setting, or the value is not of its type.
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
        raise SettingsError(f"image_size must be a power of two from 16 to 256. Received: image_size={image_size}")
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
