"""Downloading the results of a search into a folder, with checks and credits."""

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
from pippin.collecting.web import Client, TemporaryError, is_local
from pippin.errors import PippinError, SettingsError, SourceError
from pippin.host.files import append_line, output_path, read_lines
from pippin.host.interrupts import delayed_interrupts
from pippin.pictures.decoding.picture import MIN_SIDE, read_picture
from pippin.pictures.entries import general_reason, plural
from pippin.pictures.refused import Refused
from pippin.pictures.sources.files import CREDITS_FILE

MAX_PICTURES = 10_000
"""Largest number of pictures that can be requested. For more, a published data set is a better source than a search
that everyone shares."""

MAX_BYTES = 2**25
"""Largest size of a picture file, in bytes: 32 MiB."""

MAX_WAIT = 60
"""Longest waiting time that the server of a picture may request, in seconds. With a longer one the picture is skipped,
because other servers have pictures too."""

MAX_FAILURES = 20
"""Number of successive temporary errors after which collecting ends. By then the network is probably down."""

MAX_UNUSABLE = 200
"""Number of successive unusable pictures after which collecting ends, because some searches never end."""

REFUSED_FILE = ".refused.jsonl"
"""File that records the addresses of unusable pictures and the reasons, so that they are not downloaded again. It is
hidden, so it does not count as a picture."""

SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "JPEG2000": ".jp2", "TIFF": ".tif", "HEIF": ".heic"}
"""File suffixes of formats for which it is not the lower-case name of the format."""

MAX_NAME = 40
"""Largest number of characters of a title in a file name."""

OTHER_LICENCE = "another licence than requested"


@dataclass(frozen=True)
class Collection:
    """The result of `collect`.

    Attributes:
        folder: the folder of the pictures and of their `CREDITS.csv`.
        files: names of the files in the folder that were found with this query.
        requested: number of pictures that was requested.
        skipped: reason → number of results that were skipped for it.
        inspection: the audit of the folder; None with fewer than two pictures, or if it was switched off.
    """

    folder: Path
    files: tuple[str, ...]
    requested: int
    skipped: Counter[str] = field(default_factory=Counter)
    inspection: Inspection | None = None

    def lines(self) -> list[str]:
        """Return the result as lines of text for the user."""
        lines = [f"{plural(len(self.files), 'picture')} in {self.folder}, credited in {self.folder / CREDITS_FILE}"]
        if len(self.files) < self.requested:
            lines.append(f"The search has no more results; {plural(self.requested, 'picture')} were requested")
        if self.skipped:
            reasons = (f"{count:,} {reason}" for reason, count in self.skipped.most_common())
            lines.append("skipped: " + ", ".join(reasons))
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
    """Search for openly licensed pictures, download them one at a time, and audit the folder.

    The same call resumes an earlier one and downloads nothing twice. Pictures that the user deletes are not downloaded
    again; other results replace them.

    Args:
        query: the search terms.
        folder: the folder for the pictures and their `CREDITS.csv`. Existing files are not changed.
        count: number of pictures of this query that the folder should hold, 1 to 10,000.
        licence: permitted licences (`cc0`, `pdm`, `by`, `by-sa`, …) and required uses (`commercial`,
            `modification`), separated by commas. Without it, any open licence is permitted.
        min_side: smallest shorter side in pixels, at least 8.
        api: URL of a search with the same interface as Openverse's; Openverse itself if None. Pictures on this machine
            or in private networks are downloaded only if this URL is on this machine or in a private network too.
        inspect: whether to audit the folder at the end.
        progress: called as `progress(done, total)` after each picture.
        notice: called with a line of text when a server asks for a longer wait.

    Returns:
        A `Collection`.

    Raises:
        SettingsError: an argument is invalid.
        SourceError: the search or the network cannot be reached, or the folder cannot be written. Pictures that were
            downloaded before remain, with their credits.
    """
    query, api = " ".join(query.split()), api or API
    _check(query, count, min_side, api)
    requested = parse_licence(licence)
    folder = Path(os.path.expanduser(folder))
    client = Client(is_local(api), notice)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        downloads = _Downloads(client, folder, query, requested, min_side)
        progress(len(downloads.files), count)
        pages = search(client, query, requested, api)
        while len(downloads.files) < count and (page := next(pages, None)) is not None:
            for result in page:
                if len(downloads.files) < count and downloads.unusable < MAX_UNUSABLE and downloads.add(result):
                    progress(len(downloads.files), count)
            if downloads.unusable >= MAX_UNUSABLE:
                notice(f"{MAX_UNUSABLE} pictures in a row cannot be used, so the search ends")
                break
    except OSError as problem:
        reason = problem.strerror or problem
        raise SourceError(f"The pictures cannot be written: {reason}. Received: {str(folder)!r}") from None
    inspection = audit(folder) if inspect and len(downloads.files) > 1 else None
    return Collection(folder, tuple(downloads.files), count, downloads.skipped, inspection)


def _check(query: str, count: int, min_side: int, api: str) -> None:
    """Raise a `SettingsError` if an argument of `collect` is invalid."""
    if not query:
        raise SettingsError(f"Give search terms, such as apple. Received: query={query!r}")
    if not isinstance(count, int) or not 1 <= count <= MAX_PICTURES:
        raise SettingsError(f"count must be a whole number from 1 to {MAX_PICTURES:,}. Received: count={count!r}")
    if min_side < MIN_SIDE:
        raise SettingsError(f"min_side must be at least {MIN_SIDE} pixels. Received: min_side={min_side}")
    try:
        valid = api.startswith(("http://", "https://")) and urlsplit(api).hostname
    except ValueError:
        valid = None
    if not valid:
        raise SettingsError(f"api must be an http or https address. Received: api={api}")


class _Downloads:
    """The downloads of a query into a folder.

    Args:
        client: the HTTP client.
        folder: the folder for the pictures.
        query: the search terms, which are recorded in the credits.
        requested: licences and uses; see `permitted`.
        min_side: smallest shorter side in pixels.

    Attributes:
        files: names of the files in the folder that were found with this query.
        skipped: reason → number of results that were skipped for it.
        unusable: number of successive pictures that were downloaded in vain.
    """

    def __init__(self, client: Client, folder: Path, query: str, requested: tuple[str, ...], min_side: int) -> None:
        self.client, self.folder, self.query = client, folder, query
        self.requested, self.min_side = requested, min_side
        self.credits = Credits(folder)
        self.files = self.credits.files(query)
        self.skipped: Counter[str] = Counter()
        entries = (entry for entry in read_lines(folder / REFUSED_FILE) if isinstance(entry, dict))
        self._refused = {str(entry.get("address")): str(entry.get("why")) for entry in entries}
        self._known_urls = {row["original address"] for row in self.credits.rows}
        self._failures, self.unusable = 0, 0

    def add(self, result: Result) -> bool:
        """Download the picture of a result if it is usable and new, and return whether it was added."""
        if result.url in self._known_urls:
            return False
        try:
            self._check(result)
            self._save(result, self.client.get(result.url, MAX_BYTES, MAX_WAIT))
        except Refused as refusal:
            self._skip(result, str(refusal))
            return False
        except TemporaryError as problem:
            self._failures += 1
            self.skipped[f"{general_reason(str(problem))} (temporary)"] += 1
            if self._failures == MAX_FAILURES:
                raise SourceError(
                    f"{MAX_FAILURES} pictures in a row could not be downloaded: {problem}. Run the same command later "
                    f"to resume. Received: {len(self.files):,} pictures so far"
                ) from None
            return False
        self._failures, self.unusable = 0, 0
        return True

    def _check(self, result: Result) -> None:
        """Raise `Refused` if the metadata of a result, or an earlier download, show that it is unusable."""
        if not permitted(result.licence, self.requested):
            raise Refused(OTHER_LICENCE)
        if earlier := self._refused.get(result.url):
            raise Refused(earlier)
        if result.file_type == "svg":
            raise Refused("a drawing, not a picture made of pixels")
        if result.width and result.height:
            self._check_size(result.width, result.height)

    def _check_size(self, width: int, height: int) -> None:
        """Raise `Refused` if the shorter side is below the minimum."""
        if min(width, height) < self.min_side:
            raise Refused(f"too small: {width}×{height} pixels, the minimum is {self.min_side}")

    def _save(self, result: Result, content: bytes) -> None:
        """Decode a picture to check it, write its file and append its credits."""
        with warnings.catch_warnings(action="ignore"):  # Pillow warns of harmless errors; unusable files are refused
            decoded = read_picture(io.BytesIO(content), self.min_side)
        self._check_size(decoded.width, decoded.height)
        path = self._free_path(result, SUFFIXES.get(decoded.format, f".{decoded.format.lower()}"), content)
        with delayed_interrupts():  # otherwise Ctrl-C between the two would leave a picture without credits
            if not path.exists():
                with output_path(path, "picture", SourceError) as part:
                    part.write_bytes(content)
            self.credits.add(path.name, result, self.query)
        self._known_urls.add(result.url)
        self.files.append(path.name)

    def _free_path(self, result: Result, suffix: str, content: bytes) -> Path:
        """Return a free path for a picture, or the path of an identical file that a killed process did not credit."""
        digest = hashlib.sha256(result.url.encode("utf-8", "replace")).hexdigest()
        for length in range(8, len(digest)):
            path = self.folder / f"{safe_name(result.title)}-{digest[:length]}{suffix}"
            credited = any(row["file"] == path.name for row in self.credits.rows)
            if not os.path.lexists(path) and not credited:
                return path
            if path.is_file() and not path.is_symlink() and not credited and path.read_bytes() == content:
                return path
        raise PippinError(
            f"There is no free file name for a picture; give another folder. Received: {str(self.folder)!r}"
        )

    def _skip(self, result: Result, reason: str) -> None:
        """Count a skipped result, and record it unless the reason depends on the arguments of this call."""
        self.skipped[general_reason(reason)] += 1
        if result.url in self._refused or reason.startswith("too small") or reason == OTHER_LICENCE:
            return
        self._refused[result.url] = reason
        self.unusable += 1
        append_line(self.folder / REFUSED_FILE, json.dumps({"address": result.url, "why": reason}))


def safe_name(title: str) -> str:
    """Return a file name without suffix for a title, which may contain anything.

    Only letters and digits of any script are kept, joined by hyphens. These are valid on every file system.
    """
    text = unicodedata.normalize("NFKC", title)
    words = "".join(character if character.isalnum() else " " for character in text).split()
    return "-".join(words)[:MAX_NAME].strip("-").lower() or "picture"
