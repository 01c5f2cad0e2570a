"""The comparison of finished sentences with the templates of a catalogue."""

import re
from collections.abc import Mapping

RECEIVED = " Received: "
"""What comes between an error and the values that were received."""

HOLE = re.compile(r"\{(\d*)(!t|!k|:n)?\}")
"""A place for a value in a translation: `{}` is the next value and `{2}` the second one. A value with `!t` is
translated too, if it is known. A template whose translation has a value with `!k` fits only if the value is known, and
one with `:n` only if it is a number."""

NUMBER = re.compile(r"[-+−~]?[0-9][0-9.,:/%×]*(?:e[-+]?[0-9]+)?")
"""A number as messages contain it, such as `1,024`, `64×64`, `2/4` or `95%`."""


SENTENCE_END = re.compile(r"[.?!] [^\W\d_a-z]|; [a-z]")
"""What a value does not contain unless it is translated: the end of a sentence or clause and the next one's start."""

CLOSING = "。、：；）」"
"""Characters before which a sentence that is a value has no full stop."""

MOST_PARTS = 4
"""Largest number of parts with commas between them that are one phrase of a list."""


class Template:
    """A sentence with places for values, and its translation.

    Args:
        english: the sentence, with `{}` for each value. A full stop at its end does not count.
        translation: the translation; see `HOLE`.
    """

    def __init__(self, english: str, translation: str) -> None:
        self.first, *self.middle = english.removesuffix(".").split("{}")
        self.last = self.middle.pop()
        self.literal = len(english.replace("{}", ""))
        self.parts = HOLE.split(translation)[::3]
        self.holes = numbered_holes(translation)

    def match(self, text: str) -> list[str] | None:
        """Return the values of a sentence that fits the template, or None if it does not fit."""
        position, end = len(self.first), len(text) - len(self.last)
        if position > end or not text.startswith(self.first) or not text.endswith(self.last):
            return None
        values = []
        for piece in self.middle:
            found = text.find(piece, position, end)
            if found < 0:
                return None
            values.append(text[position:found])
            position = found + len(piece)
        values.append(text[position:end])
        return values if all(_fits(values[number], kind) for number, kind in self.holes) else None


class Translator:
    """Translates finished sentences with a catalogue.

    Args:
        catalogue: template → translation.
    """

    def __init__(self, catalogue: Mapping[str, str]) -> None:
        self._sentences = {each.removesuffix("."): text for each, text in catalogue.items() if "{}" not in each}
        templates = [Template(each, text) for each, text in catalogue.items() if "{}" in each]
        self._templates = sorted(templates, key=lambda template: -template.literal)

    def __call__(self, text: str) -> str:
        """Return a sentence in the language of the catalogue, or as it is if nothing in it is known.

        What no template fits is translated in parts: columns, sentences and clauses.
        """
        message, received, values = text.partition(RECEIVED)
        if received and message:
            values = received.lstrip() + values
            return f"{self(message)}（{self._find(values) or values}）"
        if (found := self._find(text)) is not None:
            return found
        if "  " in text:
            return "  ".join(map(self, text.split("  ")))
        for separator, replacement in ((". ", "。"), ("; ", "；")):
            if separator in text:
                parts = (self(part) for part in text.split(separator))
                return replacement.join(parts).replace(f"。{replacement}", "。")
        return text

    def _find(self, text: str) -> str | None:
        """Return the translation by the template that fits best: the one with the most characters outside values."""
        text = text.removesuffix(".")
        for spelling in (text, text[:1].lower() + text[1:]):
            if (sentence := self._sentences.get(spelling)) is not None:
                return sentence
        for template in self._templates:
            values = template.match(text)
            if values is not None and (filled := self._filled(template, values)) is not None:
                return filled
        return None

    def _filled(self, template: Template, values: list[str]) -> str | None:
        """Return a translation with the values in their places; None if a value must be known and is not."""
        text = template.parts[0]
        for (number, kind), following in zip(template.holes, template.parts[1:], strict=True):
            value = values[number]
            if kind == "!k" and self._find(value) is None:
                return None
            if kind in ("!t", "!k"):
                value = self._phrase(value)
                value = value.removesuffix("。") if following.startswith(tuple(CLOSING)) else value
            text += value + following
        return text

    def _phrase(self, text: str) -> str:
        """Return a value in the language of the catalogue; of a list with commas, the phrases that are known."""
        if ", " not in text:
            return self._find(text) or text
        phrases = self._phrases(text.split(", "))
        found = None if all(known for _, known in phrases) else self._find(text)
        return found or "、".join(phrase for phrase, _ in phrases)

    def _phrases(self, parts: list[str]) -> list[tuple[str, bool]]:
        """Return the phrases of a list, whose commas may be in them or between them, and whether they are known."""
        phrases = []
        while parts:
            counts = range(1, min(MOST_PARTS, len(parts)) + 1)
            found = next(((text, n) for n in counts if (text := self._find(", ".join(parts[:n]))) is not None), None)
            text, count = found or (parts[0], 1)
            phrases.append((text, found is not None))
            parts = parts[count:]
        return phrases


def _fits(value: str, kind: str) -> bool:
    """Return whether a value can be in a place of a kind."""
    if kind == ":n":
        return bool(NUMBER.fullmatch(value))
    return bool(kind) or not SENTENCE_END.search(value)


def numbered_holes(translation: str) -> list[tuple[int, str]]:
    """Return the number of the value, from 0, and the kind of each place for a value in a translation."""
    holes, following = [], 0
    for number, kind in HOLE.findall(translation):
        holes.append((int(number) - 1 if number else following, kind))
        following += not number
    return holes
