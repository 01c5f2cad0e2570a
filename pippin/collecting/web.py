"""An HTTP client that limits its rate, retries temporary errors, and connects to public addresses only."""

import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

import pippin
from pippin.host.text import is_number
from pippin.pictures.refused import Refused

USER_AGENT = f"Pippin/{pippin.__version__} (collects openly licensed training images, one request at a time)"

MIN_INTERVAL = 1.0
"""Shortest time between two requests to the same server, in seconds, out of courtesy."""

MAX_ATTEMPTS = 4
"""Number of attempts for a request that fails with a temporary error."""

BACKOFF = 2.0
"""Waiting time after the first temporary error, in seconds. It doubles after each further one."""

TIMEOUTS = (10, 30)
"""Timeouts for connecting and for reading the next bytes, in seconds."""

MAX_SECONDS = 120
"""Longest time for a whole request, redirects, headers and body included, in seconds. A server that sends byte by byte
never runs into the timeout for the next bytes."""

INVALID_URL = "the address is not a valid http or https URL"

MAX_REDIRECTS = 5
"""Largest number of redirects that are followed."""

RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP status codes of temporary errors."""

WINDOWS = {"sec": 1, "min": 60, "hour": 3600, "day": 86400}
"""Lengths of the windows in `X-RateLimit-Limit-…` headers, in seconds."""

NOTICE_FROM = 5
"""Shortest waiting time that is reported to the user, in seconds."""


class TemporaryError(Exception):
    """A request failed, but may succeed later. The message is the reason."""


class Client:
    """An HTTP client.

    Args:
        local: whether it may connect to this machine and to private networks. This is off for public searches, because
            their results could otherwise make this machine send requests into its own network.
        notice: called with a line of text before a longer wait.
    """

    def __init__(self, local: bool = False, notice: Callable[[str], None] = lambda text: None) -> None:
        self._notice = notice
        self._not_before: dict[str, float] = {}  # server → time of the next permitted request
        self._session = requests.Session()
        self._session.headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        self._session.auth = lambda request: request  # sends no passwords from the user's .netrc
        self._session.max_redirects = MAX_REDIRECTS
        self._deadline = Deadline()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(self._deadline, local))

    def get(self, url: str, max_bytes: int, max_wait: float) -> bytes:
        """Return the content of a URL. Temporary errors are retried.

        Args:
            url: an http or https URL.
            max_bytes: largest size that is accepted, in bytes.
            max_wait: longest waiting time that the server may request, in seconds.

        Returns:
            The content.

        Raises:
            Refused: the content does not exist or is too large, or the URL is invalid or points into a private network.
            TemporaryError: the request failed, but may succeed later.
        """
        problem = ""
        for attempt in range(MAX_ATTEMPTS):
            server = self._wait_for_turn(url, max_wait)
            try:
                with (
                    self._deadline.limit(MAX_SECONDS),
                    self._session.get(url, stream=True, timeout=TIMEOUTS) as response,
                ):
                    pause = _requested_pause(response.headers)
                    if response.status_code == 200:
                        self._postpone(server, pause or MIN_INTERVAL)
                        content = _body(response, max_bytes)
                        if self._deadline.passed:  # without a length, the end of the connection is that of the body
                            raise requests.Timeout
                        return content
                    problem = f"HTTP status {response.status_code}"
                    if response.status_code not in RETRYABLE:
                        self._postpone(server, pause or MIN_INTERVAL)
                        raise Refused(f"{problem}{_detail(response)}")
            except requests.TooManyRedirects:
                raise Refused("too many redirects") from None
            except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL, UnicodeError):
                raise Refused(INVALID_URL) from None
            except (requests.RequestException, OSError, HTTPError) as error:
                if self._deadline.passed:
                    raise TemporaryError(f"the download takes more than {MAX_SECONDS} s") from None
                pause, problem = 0.0, _reason(error)
            self._postpone(server, max(pause, BACKOFF * 2**attempt))
        raise TemporaryError(problem)

    def _wait_for_turn(self, url: str, max_wait: float) -> str:
        """Wait until the server of a URL may be called again, and return the server."""
        try:
            server = urlsplit(url).netloc.lower()
        except ValueError:
            raise Refused(INVALID_URL) from None
        wait = self._not_before.get(server, 0) - time.monotonic()
        if wait > max_wait:
            raise TemporaryError(f"the server asks to wait {wait:,.0f} s")
        if wait > NOTICE_FROM:
            self._notice(f"{server} asks to wait {wait:,.0f} s")
        if wait > 0:
            time.sleep(wait)
        return server

    def _postpone(self, server: str, seconds: float) -> None:
        """Permit the next request to a server only after some seconds."""
        self._not_before[server] = time.monotonic() + seconds


def is_local(url: str) -> bool:
    """Return whether a URL names this machine or an address of a private network. No host name is resolved."""
    host = urlsplit(url).hostname or ""
    try:
        return not _is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_public(host: str) -> bool:
    """Return whether an IP address is publicly routable."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global and not address.is_multicast


def _check_peer(connected: socket.socket) -> socket.socket:
    """Return the socket, or close it and raise `Refused` if its peer is not public.

    The connected peer is checked before anything is sent. Checking the host name instead would resolve it twice, and
    the second answer could differ.
    """
    if not _is_public(connected.getpeername()[0]):
        connected.close()
        raise Refused("the address points into a private network")
    return connected


class Deadline:
    """Shuts down the connections of a request that takes too long, whatever part of it takes the time.

    Attributes:
        passed: whether the last request took too long.
    """

    def __init__(self) -> None:
        self.passed = False
        self._sockets: list[socket.socket] = []

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Shut down the connections that `watch` was called with, unless the block ends within some seconds."""
        self.passed, self._sockets = False, []
        timer = threading.Timer(seconds, self._shut_down)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            for connected in self._sockets:
                connected.close()

    def watch(self, connected: socket.socket | None) -> None:
        """Remember a connected socket. A duplicate is kept, because TLS replaces the socket during its handshake."""
        if connected is not None:
            with suppress(OSError):
                self._sockets.append(socket.fromfd(connected.fileno(), connected.family, connected.type))
        if self.passed:
            self._shut_down()

    def _shut_down(self) -> None:
        self.passed = True
        for connected in self._sockets:
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)


def _pools(deadline: Deadline, local: bool) -> dict[str, type[HTTPConnectionPool]]:
    """Return the classes of connection pools whose connections have a deadline: scheme → class.

    Args:
        deadline: watches the connections.
        local: whether they may lead to this machine and to private networks.
    """

    class Watched:
        """Watches a connection from the moment it is made, and again when another request uses it."""

        sock: socket.socket | None

        def _new_conn(self) -> socket.socket:
            connected = super()._new_conn()  # type: ignore[misc]
            deadline.watch(connected)
            return connected if local else _check_peer(connected)

        def putrequest(self, *args: Any, **options: Any) -> None:
            deadline.watch(self.sock)
            super().putrequest(*args, **options)  # type: ignore[misc]

    class Connection(Watched, HTTPConnection):
        pass

    class SecureConnection(Watched, HTTPSConnection):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


class _Adapter(HTTPAdapter):
    """Connects within a deadline, and to public addresses only unless it is local, also after redirects.

    If a proxy is configured, the proxy must ensure that addresses are public.
    """

    def __init__(self, deadline: Deadline, local: bool) -> None:
        self._deadline, self._local = deadline, local
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self._deadline, self._local)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _pools(self._deadline, local=True)
        return manager


def _body(response: requests.Response, max_bytes: int) -> bytes:
    """Return the body of a response, or raise `Refused` if it is too large."""
    content = bytearray()
    too_large = f"too large: more than {max_bytes:,} bytes"
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and (not is_number(announced) or int(announced) > max_bytes):
        raise Refused(too_large)
    for chunk in response.iter_content(2**16):
        content += chunk
        if len(content) > max_bytes:
            raise Refused(too_large)
    return bytes(content)


def _requested_pause(headers: Mapping[str, str]) -> float:
    """Return the seconds that a server asks to wait before the next request; 0 if it does not ask.

    Openverse counts requests in windows: `X-RateLimit-Limit-anon_burst: 20/min` is the limit of a window, and
    `X-RateLimit-Available-anon_burst: 0` says that it is used up.
    """
    pause = 0.0
    if retry_after := headers.get("Retry-After", "").strip():
        try:
            pause = float(retry_after) if retry_after.isdigit() else _seconds_until(parsedate_to_datetime(retry_after))
        except (ValueError, TypeError):
            pause = 0.0
    for name, value in headers.items():
        window = name.lower().removeprefix("x-ratelimit-available-")
        if window != name.lower() and value.strip() == "0":
            unit = headers.get(f"X-RateLimit-Limit-{window}", "").rpartition("/")[2]
            pause = max(pause, WINDOWS.get(unit, 60))
    return max(0.0, pause)


def _seconds_until(date: datetime) -> float:
    """Return the seconds until a date; without a time zone it is in UTC."""
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time()


def _detail(response: requests.Response) -> str:
    """Return the `detail` of a JSON error response in brackets, or "" if there is none."""
    try:
        detail = json.loads(_body(response, 4096)).get("detail")
    except Exception:  # not a short JSON object: the HTTP status is all there is to report
        return ""
    return f" ({' '.join(str(detail).split())[:200]})" if detail else ""


def _reason(error: Exception) -> str:
    """Return a short reason for a connection error."""
    if isinstance(error, requests.Timeout):
        return "the server timed out"
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)):
        return "the connection was interrupted"
    return "the server cannot be reached"
