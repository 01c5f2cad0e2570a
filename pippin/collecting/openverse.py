"""The client of Openverse, a search engine for openly licensed pictures: queries, results and licences."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pippin.collecting.web import Client, TemporaryError
from pippin.errors import SettingsError, SourceError
from pippin.host.text import printable
from pippin.pictures.refused import Refused

API = "https://api.openverse.org/v1/images/"

LICENCES = ("cc0", "pdm", "by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd", "sampling+", "nc-sampling+")
"""Openverse's names of licences."""

USES = ("commercial", "modification")
"""Uses that a licence may have to permit."""

PAGE_SIZE = 20
"""Results on a page: Openverse's limit for clients that are not registered."""

MAX_PAGE_BYTES = 2**22
"""Largest answer that is accepted, in bytes: 4 MiB."""

MAX_WAIT = 300
"""Longest waiting time between two pages that the server may request, in seconds. A longer one means that the quota of
the day is used up, so collecting ends."""

MAX_EMPTY_PAGES = 3
"""Number of successive pages without a new result after which a search ends, because some servers
repeat pages."""

MAX_PAGES = 1000
"""Largest number of pages of a search. They hold twice as many results as pictures can be requested, so a search with
more of them does not end by itself."""

MAX_TEXT = 200
"""Largest number of characters of a title or an author that is kept."""

MAX_URL = 2000
"""Largest number of characters of a URL that is used or kept. Some browsers and servers accept no longer ones."""


@dataclass(frozen=True, slots=True)
class Result:
    """One picture of a search. All texts but `url` may be empty.

    Args:
        title: title of the picture, in one line.
        author: name of its author.
        licence: Openverse's name of the licence, such as `"by-sa"`.
        version: version of the licence, such as `"4.0"`.
        licence_url: URL of the licence's text.
        page_url: URL of the page that shows the picture.
        url: URL of the picture file.
        file_type: type of the file, such as `"jpg"`.
        width: width in pixels; 0 if unknown.
        height: height in pixels; 0 if unknown.
    """

    title: str
    author: str
    licence: str
    version: str
    licence_url: str
    page_url: str
    url: str
    file_type: str
    width: int
    height: int

    @property
    def licence_name(self) -> str:
        """Return the full name of the licence, such as `CC BY-SA 4.0`."""
        name = {"cc0": "CC0", "pdm": "Public Domain Mark"}.get(self.licence, f"CC {self.licence.upper()}")
        return f"{name} {self.version}".strip()


def parse_licence(text: str) -> tuple[str, ...]:
    """Return the licences and uses that a text such as `"commercial,modification"` or `"cc0,by"` names.

    Raises:
        SettingsError: the text names something that is neither a licence nor a use.
    """
    words = tuple(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))
    for word in words:
        if word not in LICENCES + USES:
            known = ", ".join(USES + LICENCES)
            raise SettingsError(f"licence must be one or more of {known}, with commas. Received: licence={text}")
    return words


def permitted(licence: str, requested: Sequence[str]) -> bool:
    """Return whether a licence fulfils a request. It is checked here too, because a server may ignore the filter.

    Args:
        licence: Openverse's name of the licence, such as `"by-sa"`.
        requested: licences, one of which it must be, and uses, all of which it must permit. Without licences, any of
            `LICENCES` will do.
    """
    named = [word for word in requested if word in LICENCES]
    forbids = {"commercial": "nc", "modification": "nd"}
    parts = licence.split("-")
    return (
        (licence in LICENCES)
        and (not named or licence in named)
        and not any(forbids.get(use) in parts for use in requested)
    )


def search(client: Client, query: str, requested: Sequence[str] = (), api: str = API) -> Iterator[list[Result]]:
    """Request one page of results after the other, until there are no new ones.

    Args:
        client: the HTTP client.
        query: the search terms.
        requested: licences and uses; see `permitted`.
        api: URL of the search.

    Yields:
        The new, valid results of each page.

    Raises:
        SourceError: the search cannot be reached, or its answers are not pages of results.
    """
    options = {"q": query, "page_size": PAGE_SIZE, "mature": "false"}
    if uses := [word for word in requested if word in USES]:
        options["license_type"] = ",".join(uses)
    if named := [word for word in requested if word in LICENCES]:
        options["license"] = ",".join(named)
    page, pages, empty_pages = 1, 1, 0
    known_urls: set[str] = set()
    while page <= min(pages, MAX_PAGES) and empty_pages < MAX_EMPTY_PAGES:
        answer = _request_page(client, f"{api}?{urlencode({**options, 'page': page})}", api)
        pages = answer["page_count"]
        new = []
        for item in answer["results"]:
            result = _result(item)
            if result is not None and result.url not in known_urls:
                known_urls.add(result.url)
                new.append(result)
        empty_pages = 0 if new else empty_pages + 1
        page += 1
        yield new


def _request_page(client: Client, url: str, api: str) -> dict[str, Any]:
    """Return one page of results, after checking its structure."""
    try:
        content = client.get(url, MAX_PAGE_BYTES, MAX_WAIT)
    except (Refused, TemporaryError) as problem:
        raise SourceError(f"The search failed: {problem}. Try again later. Received: api={api}") from None
    try:
        answer = json.loads(content)
        if not isinstance(answer["results"], list) or not isinstance(answer["page_count"], int):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SourceError(
            f"The search did not return a page of results; check the address. Received: api={api}"
        ) from None
    return answer


def _result(item: Any) -> Result | None:
    """Return the result that a JSON value describes, or None if it has no usable URL."""
    if not isinstance(item, dict):
        return None

    def text(name: str) -> str:
        value = item.get(name)
        return _without_controls(" ".join(value.split()))[:MAX_TEXT] if isinstance(value, str) else ""

    def link(name: str) -> str:
        value = item.get(name)
        if not isinstance(value, str) or not value.startswith(("http://", "https://")) or len(value) > MAX_URL:
            return ""
        return _without_controls("".join(value.split()))

    def pixels(name: str) -> int:
        value = item.get(name)
        return value if isinstance(value, int) and value > 0 else 0

    url = link("url")
    if not url:
        return None
    return Result(
        title=text("title"),
        author=text("creator"),
        licence=text("license").lower(),
        version=text("license_version"),
        licence_url=link("license_url"),
        page_url=link("foreign_landing_url"),
        url=url,
        file_type=text("filetype").lower(),
        width=pixels("width"),
        height=pixels("height"),
    )


def _without_controls(text: str) -> str:
    """Return a text without the characters that control a terminal or the direction of text."""
    return "".join(character for character in text if printable(character) == character)
