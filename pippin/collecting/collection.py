"""`pippin collect`: from words to a folder of pictures that may be used, with their credits."""

import hashlib
import io
import json
import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pippin.auditing import Inspection, audit
from pippin.collecting.credits import Credits
from pippin.collecting.openverse import API, Result, parse_licence, permitted, search
from pippin.collecting.web import Unreachable, Web, is_local
from pippin.errors import PippinError, SettingsError, SourceError
from pippin.host.files import output_path, read_lines
from pippin.pictures.colour import Refused
from pippin.pictures.decoding import MIN_SIDE, read_picture
from pippin.pictures.sources.files import CREDITS_FILE
from pippin.pictures.verdicts import kind, plural

MOST_PICTURES = 10_000
"""That may be asked for: more is what data sets are for, not a search that serves everybody."""

MOST_BYTES = 2**25
"""Of a picture's file: 32 MiB."""

PATIENCE = 60
"""Seconds that the server of a picture may ask to wait; others have pictures, too."""

UNREACHABLE = 20
"""Pictures that cannot be reached, one after the other, after which it is the network that is not there."""

REFUSED_FILE = ".refused.jsonl"
"""What need not be asked for again, and why. Hidden, so that it counts as no picture."""

ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "JPEG2000": ".jp2", "TIFF": ".tif", "HEIF": ".heic"}
NAME_LENGTH = 40  # characters of a title in a file's name


@dataclass(frozen=True)
class Collection:
    """What `collect` brought together.

    Attributes:
        folder: where the pictures and their `CREDITS.csv` are.
        files: the pictures of this search that are there, by name.
        asked: how many were asked for.
        left_out: why some results were not taken → how many.
        inspection: what the audit of the folder found; None with fewer than two pictures, or where none was asked for.
    """

    folder: Path
    files: tuple[str, ...]
    asked: int
    left_out: Counter[str] = field(default_factory=Counter)
    inspection: Inspection | None = None

    def lines(self) -> list[str]:
        """Say it to people."""
        lines = [f"{plural(len(self.files), 'picture')} in {self.folder}, credited in {self.folder / CREDITS_FILE}"]
        if len(self.files) < self.asked:
            lines.append(f"The search has no more: {self.asked:,} were asked for")
        if self.left_out:
            named = (f"{count:,} {why}" for why, count in self.left_out.most_common())
            lines.append("left out: " + ", ".join(named))
        return lines + (self.inspection.lines() if self.inspection else [])


def collect(
    query: str,
    folder: str | os.PathLike[str],
    *,
    count: int = 300,
    licence: str = "",
    min_side: int = 128,
    api: str | None = None,
    inspect: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
    notice: Callable[[str], None] = lambda text: None,
) -> Collection:
    """Search for openly licensed pictures, download them one by one, and look at what came together.

    The same call goes on where an earlier one stopped, and downloads nothing that is there. What was deleted by hand
    does not come back; others take its place.

    Args:
        query: what to look for, in words.
        folder: where to keep the pictures and their `CREDITS.csv`; files that are there stay as they are.
        count: pictures of this search that the folder shall hold, 1 to 10,000.
        licence: what the licence must be or allow, with commas: of `commercial` and `modification` all, and of
            `cc0`, `pdm`, `by`, `by-sa` and so on any; without it, any open licence.
        min_side: pixels of the shorter side, at least 8.
        api: address of a search that answers as Openverse's does, which is asked where it is None. Only if it is this
            machine's, or a private network's, are pictures taken from such places, too.
        inspect: whether to audit the folder at the end.
        progress: told how many pictures are there, of how many.
        notice: told in a line when a server asks for a longer wait.

    Returns:
        A `Collection`.

    Raises:
        SettingsError: an option is none of these.
        SourceError: the search or all of the network cannot be reached, or the folder cannot be written. What is there
            stays.
    """
    query, api = " ".join(query.split()), api or API
    _check(query, count, min_side, api)
    asked = parse_licence(licence)
    folder = Path(os.path.expanduser(folder))
    web = Web(is_local(api), notice)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        gathering = _Gathering(web, folder, query, asked, min_side)
        progress(len(gathering.files), count)
        pages = search(web, query, asked, api)
        while len(gathering.files) < count and (page := next(pages, None)) is not None:
            for result in page:
                if len(gathering.files) < count and gathering.take(result):
                    progress(len(gathering.files), count)
    except OSError as problem:
        why = problem.strerror or problem
        raise SourceError(f"The pictures cannot be written: {why}. Received: {str(folder)!r}") from None
    found = audit(folder) if inspect and len(gathering.files) > 1 else None
    return Collection(folder, tuple(gathering.files), count, gathering.left_out, found)


def _check(query: str, count: int, min_side: int, api: str) -> None:
    if not query:
        raise SettingsError(f"Say what to look for, such as apple. Received: query={query!r}")
    if not 1 <= count <= MOST_PICTURES:
        raise SettingsError(f"count must be from 1 to {MOST_PICTURES:,}. Received: count={count}")
    if min_side < MIN_SIDE:
        raise SettingsError(f"min_side must be at least {MIN_SIDE} pixels. Received: min_side={min_side}")
    try:
        fits = api.startswith(("http://", "https://")) and urlsplit(api).hostname
    except ValueError:
        fits = None
    if not fits:
        raise SettingsError(f"api must be an http or https address. Received: api={api}")


class _Gathering:
    """Results, one by one, into a folder."""

    def __init__(self, web: Web, folder: Path, query: str, asked: tuple[str, ...], min_side: int) -> None:
        self.web, self.folder, self.query, self.asked, self.min_side = web, folder, query, asked, min_side
        self.credits = Credits(folder)
        self.files = self.credits.pictures(query)
        self.left_out: Counter[str] = Counter()
        entries = (entry for entry in read_lines(folder / REFUSED_FILE) if isinstance(entry, dict))
        self._refused = {str(entry.get("address")): str(entry.get("why")) for entry in entries}
        self._there = {row["original address"] for row in self.credits.rows}
        self._unreachable = 0

    def take(self, result: Result) -> bool:
        """Take a picture, if it is a good one and not there yet; say whether it was taken."""
        if result.address in self._there:
            return False
        try:
            self._check(result)
            self._keep(result, self.web.get(result.address, MOST_BYTES, PATIENCE))
        except Refused as refusal:
            self._refuse(result, str(refusal))
            return False
        except Unreachable as problem:
            self._unreachable += 1
            self.left_out[f"{kind(str(problem))}, for now"] += 1
            if self._unreachable == UNREACHABLE:
                raise SourceError(
                    f"{UNREACHABLE} pictures in a row cannot be had: {problem}. Later, the same command goes "
                    f"on. Received: {len(self.files):,} pictures so far"
                ) from None
            return False
        self._unreachable = 0
        return True

    def _check(self, result: Result) -> None:
        """Refuse what need not be downloaded for that."""
        if not permitted(result.licence, self.asked):
            raise Refused("another licence than asked for")
        if earlier := self._refused.get(result.address):
            raise Refused(earlier)
        if result.kind == "svg":
            raise Refused("a drawing, not a picture made of pixels")
        if result.width and result.height:
            self._check_size(result.width, result.height)

    def _check_size(self, width: int, height: int) -> None:
        if min(width, height) < self.min_side:
            raise Refused(f"too small: {width}×{height} pixels, the least is {self.min_side}")

    def _keep(self, result: Result, content: bytes) -> None:
        """Write a picture that can be read under a name of its own, and credit it."""
        with warnings.catch_warnings(action="ignore"):  # Pillow warns of oddities; what cannot be used is refused
            decoded = read_picture(io.BytesIO(content), self.min_side)
        self._check_size(decoded.width, decoded.height)
        path = self._place(result, ENDINGS.get(decoded.format, f".{decoded.format.lower()}"), content)
        if not path.exists():
            with output_path(path, "picture", SourceError) as part:
                part.write_bytes(content)
        self.credits.add(path.name, result, self.query)
        self._there.add(result.address)
        self.files.append(path.name)

    def _place(self, result: Result, ending: str, content: bytes) -> Path:
        """Return where to write a picture: a free place, or that of the very same file, left by a kill."""
        digest = hashlib.sha256(result.address.encode("utf-8", "replace")).hexdigest()
        for length in range(8, len(digest)):
            path = self.folder / f"{safe_name(result.title)}-{digest[:length]}{ending}"
            credited = any(row["file"] == path.name for row in self.credits.rows)
            if not os.path.lexists(path) and not credited:
                return path
            if path.is_file() and not path.is_symlink() and not credited and path.read_bytes() == content:
                return path
        raise PippinError(f"There is no free name for a picture. Received: {str(self.folder)!r}")

    def _refuse(self, result: Result, why: str) -> None:
        self.left_out[kind(why)] += 1
        if result.address in self._refused or why.startswith(("too small", "another")):  # both depend on what is asked
            return
        self._refused[result.address] = why
        line = json.dumps({"address": result.address, "why": why}) + "\n"
        with (self.folder / REFUSED_FILE).open("a", encoding="utf-8") as file:
            file.write(line)


def safe_name(title: str) -> str:
    """Return the beginning of a file's name for a title that anybody may have written.

    Only letters and digits of any script are kept, and hyphens between them: no file system takes offence at those.
    """
    text = unicodedata.normalize("NFKC", title)
    words = "".join(character if character.isalnum() else " " for character in text).split()
    return "-".join(words)[:NAME_LENGTH].strip("-").lower() or "picture"
