"""Orders: what the user wants to train, checked, and the command lines that do it."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from pippin.pictures import Preparation
from pippin.settings import IMAGE_SIZES, PRESETS, Settings, choose
from pippin.studio.answers import Body, RequestError

QUALITIES = {"quick": 1000, "normal": 5000, "thorough": 20_000}
"""Quality → number of batches. 5,000 is the default of `pippin train`; a fifth of it shows whether the pictures can be
learnt, and four times as many refine details."""

OPTIONS = {
    "batch_size": "--batch-size",
    "seed": "--seed",
    "minutes": "--minutes",
    "batches": "--batches",
}
"""Setting → its option of `pippin train`. Others are given with `--set`."""


class Order(Body):
    """The body of a request to plan or to train.

    Attributes:
        set: the id of the picture set.
        image_size: side of the images; None: chosen for the pictures.
        quality, minutes, batches: how long to train; at most one of them.
        preset: see `pippin.train`.
        settings: other settings by name.
        preparation: options of the preparation by name.
        run: name of the run's folder; None: chosen for the set.
        from_run: id of the run to start from.
        speed: whether to measure the speed.
        dry: whether only the command is wanted.
    """

    set: str
    image_size: int | None = None
    quality: Literal["quick", "normal", "thorough"] | None = None
    minutes: float | None = None
    batches: int | None = None
    preset: str = "standard"
    settings: dict[str, Any] = Field(default={})
    preparation: dict[str, Any] = Field(default={})
    run: str | None = None
    from_run: str | None = None
    speed: bool = True
    dry: bool = False

    def length(self) -> dict[str, float]:
        """Return the setting that says how long to train. Raises a `RequestError` if there are several."""
        batches = QUALITIES[self.quality] if self.quality else self.batches
        given = {"batches": batches, "minutes": self.minutes}
        if sum(value is not None for value in (self.quality, self.minutes, self.batches)) > 1:
            raise RequestError(400, "settings", "Choose the quality, the minutes or the batches, not several of them.")
        return {name: value for name, value in given.items() if value is not None}

    def checked_settings(self) -> dict[str, Any]:
        """Return all settings that are given, besides the preset and the image size.

        Raises:
            SettingsError: a setting is unknown, of the wrong type or out of range.
        """
        given = {name: value for name, value in self.settings.items() if value is not None}
        for name in ("preset", "image_size", "from_run"):
            if name in given:
                raise RequestError(400, "settings", f"{name} has a place of its own in the order.")
        given |= self.length()
        choose(self.preset, self.image_size, **given)
        return given

    def checked_preparation(self) -> Preparation:
        """Return the preparation. Raises a `SettingsError` if an option is unknown or has another value."""
        return make_preparation(self.preparation)


def make_preparation(options: Mapping[str, Any]) -> Preparation:
    """Return a preparation. Raises an error if an option is unknown or has another value."""
    known = {item.name for item in dataclasses.fields(Preparation)}
    if unknown := [name for name in options if name not in known]:
        raise RequestError(400, "settings", f"There is no such option of a preparation: {unknown[0][:100]}")
    return Preparation(**options)


def preparation_words(preparation: Preparation) -> list[str]:
    """Return the options of a preparation on the command line."""
    words: list[str] = []
    for name, value in preparation.non_default().items():
        option = f"--{name.replace('_', '-')}"
        words += [option] if value is True else [option, f"{value}"]
    return words


def setting_words(preset: str, image_size: int | None, settings: Mapping[str, Any]) -> list[str]:
    """Return settings as options of `pippin plan` and `pippin train`."""
    words = [] if image_size is None else ["--image-size", f"{image_size}"]
    words += [] if preset == "standard" else ["--preset", preset]
    for name, value in settings.items():
        text = f"{value:g}" if name == "minutes" else f"{value}"
        words += [OPTIONS[name], text] if name in OPTIONS else ["--set", f"{name}={value}"]
    return words


def command_text(words: Sequence[str]) -> str:
    """Return a command line of `pippin` for a shell."""
    return shlex.join(["pippin", *(_shown(word) for word in words)])


def _shown(word: str) -> str:
    """Return a word that JSON and a page can hold. Bytes of a file name that are not UTF-8 are shown as escapes."""
    return word.encode("utf-8", "backslashreplace").decode()


def described_settings() -> dict[str, Any]:
    """Return all settings and options of a preparation, for the page."""
    choices: dict[str, list[Any]] = {
        "preset": list(PRESETS),
        "features": ["efficientnet-lite0", "none"],
        "image_size": list(IMAGE_SIZES),
    }
    choices["rule"] = ["auto", "relativistic", "alternating"]
    options: dict[str, list[Any]] = {
        "fit": ["crop", "pad", "squash"],
        "focus": ["auto", "centre"],
        "duplicates": ["exact", "near", "keep"],
        "channels": [1, 3, 4],
        "bits": [8, 10, 12, 14, 16],
    }
    return {
        "settings": [_described(item, choices) for item in dataclasses.fields(Settings) if item.name != "from_run"],
        "preparation": [_described(item, options) for item in dataclasses.fields(Preparation)],
        "presets": list(PRESETS),
        "qualities": [{"name": name, "batches": batches} for name, batches in QUALITIES.items()],
    }


def _described(item: "dataclasses.Field[Any]", choices: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return the description of a setting or option."""
    kinds = [kind for kind in (bool, int, float, str) if item.type in (kind, kind | None, kind.__name__)]
    return {
        "name": item.name,
        "help": item.metadata.get("help", ""),
        "why": item.metadata.get("why", ""),
        "default": item.default,
        "type": kinds[0].__name__ if kinds else "str",
        "choices": choices.get(item.name),
        "nullable": item.default is None or item.type in (int | None, float | None, str | None),
    }
