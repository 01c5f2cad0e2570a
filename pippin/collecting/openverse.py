"""The search for openly licensed pictures at Openverse: what it is asked, and what of its answers is used."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pippin.collecting.web import Unreachable, Web
from pippin.errors import SettingsError, SourceError
from pippin.pictures.colour import Refused
from pippin.pictures.verdicts import printable

API = "https://api.openverse.org/v1/images/"

LICENCES = ("cc0", "pdm", "by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd", "sampling+", "nc-sampling+")
USES = ("commercial", "modification")

PAGE = 20
"""Results of a page: as many as are allowed to whoever is not registered."""

PAGE_BYTES = 2**22
PATIENCE = 300
"""Seconds that the search may ask to wait; if it asks for more, another day is better."""

BARREN = 3
"""Pages with nothing new, one after the other, after which the search has no more."""

LONGEST = 200
"""Characters of a title or a name."""


@dataclass(frozen=True, slots=True)
class Result:
    """One picture that was found.

    Args:
        title: In one line; may be empty, as the following ones.
        author: Who made it.
        licence: As Openverse calls it, such as `"by-sa"`.
        version: Of the licence, such as `"4.0"`.
        licence_address: Where the licence can be read.
        page: Where the picture is shown.
        address: Of the picture itself.
        kind: Of the file, such as `"jpg"`.
        width: In pixels; 0 if it is not known.
        height: The same.
    """

    title: str
    author: str
    licence: str
    version: str
    licence_address: str
    page: str
    address: str
    kind: str
    width: int
    height: int

    @property
    def licence_name(self) -> str:
        """The licence as people write it, such as `CC BY-SA 4.0`."""
        name = {"cc0": "CC0", "pdm": "Public Domain Mark"}.get(self.licence, f"CC {self.licence.upper()}")
        return f"{name} {self.version}".strip()


def parse_licence(text: str) -> tuple[str, ...]:
    """Turn `"commercial,modification"` or `"cc0,by"` into a tuple.

    Raises:
        SettingsError: it names something else.
    """
    asked = tuple(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))
    for word in asked:
        if word not in LICENCES + USES:
            known = ", ".join(USES + LICENCES)
            raise SettingsError(f"licence is one or several of {known}, with commas. Received: licence={text}")
    return asked


def permitted(licence: str, asked: Sequence[str]) -> bool:
    """Whether a licence is one that was asked for. The search is not taken at its word.

    Args:
        licence: such as `"by-sa"`.
        asked: licences, any of which will do, and uses, all of which it must allow; with neither, any will do.
    """
    named = [word for word in asked if word in LICENCES]
    forbids = {"commercial": "nc", "modification": "nd"}
    parts = licence.split("-")
    return (
        (licence in LICENCES)
        and (not named or licence in named)
        and not any(forbids.get(use) in parts for use in asked)
    )


def search(web: Web, query: str, asked: Sequence[str] = (), api: str = API) -> Iterator[list[Result]]:
    """Ask for one page after the other, until there is nothing new.

    Args:
        web: who calls.
        query: what is looked for, in words.
        asked: see `permitted`.
        api: the search's address.

    Yields:
        The results of a page that were on none before, those that make no sense left out.

    Raises:
        SourceError: the search cannot be reached, or its answers are none of such a search.
    """
    options = {"q": query, "page_size": PAGE, "mature": "false"}
    if uses := [word for word in asked if word in USES]:
        options["license_type"] = ",".join(uses)
    if named := [word for word in asked if word in LICENCES]:
        options["license"] = ",".join(named)
    page, pages, barren = 1, 1, 0
    seen: set[str] = set()
    while page <= pages and barren < BARREN:
        answer = _ask(web, f"{api}?{urlencode({**options, 'page': page})}", api)
        pages = answer["page_count"]
        new = []
        for item in answer["results"]:
            result = _result(item)
            if result is not None and result.address not in seen:
                seen.add(result.address)
                new.append(result)
        barren = 0 if new else barren + 1
        page += 1
        yield new


def _ask(web: Web, address: str, api: str) -> dict[str, Any]:
    """Return one page, checked."""
    try:
        content = web.get(address, PAGE_BYTES, PATIENCE)
    except (Refused, Unreachable) as problem:
        raise SourceError(f"The search does not work: {problem}. Try again later. Received: api={api}") from None
    try:
        answer = json.loads(content)
        if not isinstance(answer["results"], list) or not isinstance(answer["page_count"], int):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SourceError(
            f"The search answers with something else than a page of results. Received: api={api}"
        ) from None
    return answer


def _result(item: Any) -> Result | None:
    """Return a result, as far as it is one."""
    if not isinstance(item, dict) or not str(item.get("url")).startswith(("http://", "https://")):
        return None

    def text(name: str) -> str:
        value = item.get(name)
        return printable(" ".join(value.split()))[:LONGEST] if isinstance(value, str) else ""

    def link(name: str) -> str:
        value = item.get(name)
        if not isinstance(value, str) or not value.startswith(("http://", "https://")):
            return ""
        return printable("".join(value.split()))

    def pixels(name: str) -> int:
        value = item.get(name)
        return value if isinstance(value, int) and value > 0 else 0

    return Result(
        title=text("title"),
        author=text("creator"),
        licence=text("license").lower(),
        version=text("license_version"),
        licence_address=link("license_url"),
        page=link("foreign_landing_url"),
        address=link("url"),
        kind=text("filetype").lower(),
        width=pixels("width"),
        height=pixels("height"),
    )
