"""The catalogues of translations, which are `.po` files, and the choice of one by the environment."""

import json
import locale
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "ja")
"""The languages that messages can be printed in. English needs no catalogue."""

VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""Environment variables that name the user's language, in the order in which gettext reads them."""

ENGLISH = ("en", "c", "posix")
"""Names of locales in which messages are English."""


def preferred_language(environment: Mapping[str, str] = os.environ) -> str:
    """Return the language to print messages in.

    Args:
        environment: the variables `LANGUAGE`, `LC_ALL`, `LC_MESSAGES` and `LANG`. The first one that is not empty
            counts, as in gettext. If none is set, as on Windows and macOS, the locale of the system counts.

    Returns:
        The first of the languages that Pippin knows: `en` or `ja`. It is `en` if none is known.
    """
    named = next((environment[name] for name in VARIABLES if environment.get(name)), None)
    if named is None:
        named = locale.getlocale()[0] or ""
    for name in named.split(":"):
        language = name.replace("-", "_").partition(".")[0].partition("_")[0].lower()
        if language in ENGLISH:
            return "en"
        if language in LANGUAGES or language == "japanese":  # the name of the locale on Windows
            return language[:2]
    return "en"


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return template → translation of a language, as `.po` files hold them."""
    if language == "en":
        return {}
    return read_catalogue(Path(__file__).with_name(f"{language}.po").read_text(encoding="utf-8"))


def read_catalogue(text: str) -> dict[str, str]:
    """Return template → translation of the text of a `.po` file, without its header and what is not translated yet.

    Raises:
        ValueError: a line is unknown, or a template occurs twice.
    """
    entries: dict[str, str] = {}
    message = {"msgid": "", "msgstr": ""}
    keyword = ""
    for line in [*text.splitlines(), 'msgid ""']:
        word, _, quoted = line.strip().partition(" ")
        if not line.strip() or line.startswith("#"):
            continue
        if word == "msgid":
            if message["msgid"] and message["msgstr"]:
                if message["msgid"] in entries:
                    raise ValueError(f"the catalogue holds a template twice: {message['msgid']}")
                entries[message["msgid"]] = message["msgstr"]
            message = {"msgid": "", "msgstr": ""}
        if word in message:
            keyword = word
        elif keyword and line.startswith('"'):
            quoted = line
        else:
            raise ValueError(f"the catalogue holds an unknown line: {line}")
        message[keyword] += json.loads(quoted)
    return entries
