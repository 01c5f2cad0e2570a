"""Asking other people's servers: one thing at a time, as slowly as they wish, and for no more than was meant."""

import ipaddress
import json
import socket
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

import pippin
from pippin.pictures.colour import Refused

USER_AGENT = f"Pippin/{pippin.__version__} (gathers openly licensed pictures to learn from, one at a time)"

GAP = 1.0
"""Seconds between two calls to the same server, at the least."""

TRIES = 4
"""How often the same thing is asked for, if it may come yet."""

BACK_OFF = 2.0
"""Seconds to wait after the first failure; twice as long after each further one."""

TIMEOUTS = (10, 30)
"""Seconds to wait for a connection, and for the next bytes."""

SLOWEST = 120
"""Seconds in which an answer must be there as a whole: a server that dribbles must not hold up everything."""

REDIRECTS = 5
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
WINDOWS = {"sec": 1, "min": 60, "hour": 3600, "day": 86400}
TOLD_FROM = 5  # seconds of waiting that a person is told of


class Unreachable(Exception):  # noqa: N818 - no error of Pippin's: it ends with the one call
    """Something did not come, and may come another time. The message is the reason, in plain words."""


class Web:
    """Calls to servers.

    Args:
        local: Whether addresses of this machine and of private networks may be called, too. Otherwise what is found in
            a search could make this machine call its own neighbours.
        notice: Told in a line when there is a longer wait.
    """

    def __init__(self, local: bool = False, notice: Callable[[str], None] = lambda text: None) -> None:
        self._notice = notice
        self._not_before: dict[str, float] = {}  # server → when it may be called again
        self._session = requests.Session()
        self._session.headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        self._session.auth = lambda request: request  # no password of the user's goes anywhere
        self._session.max_redirects = REDIRECTS
        if not local:
            for scheme in ("http://", "https://"):
                self._session.mount(scheme, _PublicAdapter())

    def get(self, address: str, most: int, patience: float) -> bytes:
        """Ask for something, again if need be.

        Args:
            address: http or https.
            most: bytes that are taken at the most.
            patience: seconds that its server may ask to wait.

        Returns:
            The bytes.

        Raises:
            Refused: it is not there, too large, or its address leads where none should.
            Unreachable: it did not come this time.
        """
        problem = ""
        for attempt in range(TRIES):
            server = self._take_turn(address, patience)
            try:
                with self._session.get(address, stream=True, timeout=TIMEOUTS) as answer:
                    pause = _pause(answer.headers)
                    if answer.status_code == 200:
                        self._hold(server, pause or GAP)
                        return _body(answer, most)
                    if answer.status_code not in PASSING:
                        self._hold(server, pause or GAP)
                        raise Refused(f"its server says {answer.status_code}{_detail(answer)}")
                    problem = f"its server says {answer.status_code}"
            except requests.TooManyRedirects:
                raise Refused("its address leads on and on") from None
            except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL, UnicodeError):
                raise Refused("its address is none of the web") from None
            except (requests.RequestException, OSError) as error:
                pause, problem = 0.0, _plain(error)
            self._hold(server, max(pause, BACK_OFF * 2**attempt))
        raise Unreachable(problem)

    def _take_turn(self, address: str, patience: float) -> str:
        """Wait until the server of an address may be called, and return that server."""
        try:
            server = urlsplit(address).netloc.lower()
        except ValueError:
            raise Refused("its address is none of the web") from None
        wait = self._not_before.get(server, 0) - time.monotonic()
        if wait > patience:
            raise Unreachable(f"its server asks to wait {wait:,.0f} s")
        if wait > TOLD_FROM:
            self._notice(f"{server} asks to wait {wait:,.0f} s")
        if wait > 0:
            time.sleep(wait)
        return server

    def _hold(self, server: str, seconds: float) -> None:
        self._not_before[server] = time.monotonic() + seconds


def is_local(address: str) -> bool:
    """Whether an address names this machine, or one of a private network, in so many words."""
    host = urlsplit(address).hostname or ""
    try:
        return not _is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_public(host: str) -> bool:
    """Whether an IP address is one that anybody could call."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global and not address.is_multicast


def _check_peer(connected: socket.socket) -> socket.socket:
    """Refuse a connection to no public address before anything is said on it. The name was looked up only once."""
    if not _is_public(connected.getpeername()[0]):
        connected.close()
        raise Refused("its address leads into a private network")
    return connected


class _PublicConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _check_peer(super()._new_conn())


class _PublicSecureConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _check_peer(super()._new_conn())


class _PublicPool(HTTPConnectionPool):
    ConnectionCls = _PublicConnection


class _PublicSecurePool(HTTPSConnectionPool):
    ConnectionCls = _PublicSecureConnection


class _PublicAdapter(HTTPAdapter):
    """Connects to public addresses only, wherever redirects lead. (A proxy, where one is set, sees to that itself.)"""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PublicPool, "https": _PublicSecurePool}


def _body(answer: requests.Response, most: int) -> bytes:
    """Take an answer's bytes, but no more than wanted, and not for ever."""
    began, content = time.monotonic(), bytearray()
    too_large = f"too large: more than {most:,} bytes"
    announced = answer.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > most:
        raise Refused(too_large)
    for part in answer.iter_content(2**16):
        content += part
        if len(content) > most:
            raise Refused(too_large)
        if time.monotonic() - began > SLOWEST:
            raise Unreachable(f"its server needs more than {SLOWEST} s for it")
    return bytes(content)


def _pause(headers: Mapping[str, str]) -> float:
    """Return how many seconds a server asks to wait before the next call; 0 if it does not."""
    pause = 0.0
    if asked := headers.get("Retry-After", "").strip():
        try:
            pause = float(asked) if asked.isdigit() else _seconds_until(parsedate_to_datetime(asked))
        except (ValueError, TypeError):
            pause = 0.0
    for (
        name,
        value,
    ) in headers.items():  # X-RateLimit-Available-anon_burst: 0, beside X-RateLimit-Limit-anon_burst: 20/min
        kind = name.lower().removeprefix("x-ratelimit-available-")
        if kind != name.lower() and value.strip() == "0":
            window = headers.get(f"X-RateLimit-Limit-{kind}", "").rpartition("/")[2]
            pause = max(pause, WINDOWS.get(window, 60))
    return max(0.0, pause)


def _seconds_until(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time()


def _detail(answer: requests.Response) -> str:
    """Return what a server says of its refusal, if it is short and said as APIs do."""
    try:
        said = json.loads(_body(answer, 4096)).get("detail")
    except Exception:  # a page, a picture, nothing at all: the status has to do
        return ""
    return f" ({' '.join(str(said).split())[:200]})" if said else ""


def _plain(error: Exception) -> str:
    """Return what went wrong on the way, in a few words."""
    if isinstance(error, requests.Timeout):
        return "its server does not answer in time"
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)):
        return "it broke off"
    return "its server cannot be reached"
