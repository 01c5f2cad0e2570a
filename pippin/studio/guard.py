"""The guard before all requests: who may ask, and what browsers may do with the answers.

A page of another site must not be able to use the studio, although the browser that shows it can reach this server:

- The `Host` header must be an address of this server, so a name that someone points at 127.0.0.1 (DNS rebinding) is
  refused.
- An `Origin` header must be this server's, and a request that a browser marks as coming from another site is refused.
- Whatever changes something needs a token, which only a page of this server can read.
- With a password, everything but the page that asks for it needs the cookie of a session.
"""

import hmac
import secrets
import socket

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pippin.studio.answers import error_answer
from pippin.studio.config import StudioConfig, is_address

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""Content Security Policy of the page: nothing from another host, and no script but the page's own files."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of each answer, unless the answer has its own."""

SAFE_METHODS = ("GET", "HEAD")
"""Methods that change nothing."""

TOKEN_HEADER = "x-pippin-token"

VIEW_PATH = "/view/"
"""Beginning of the addresses of files that open in a sandbox. A page there counts as another site, so these addresses
hold a secret instead."""

MAX_SESSIONS = 100
"""Largest number of sessions with a password. The oldest one ends when another begins."""

OPEN_PATHS = ("/", "/api/session", "/api/login")
"""Paths that need no password. The page and the session say only that a password is needed."""


class Access:
    """The secrets of a running studio: the token of its page, the password, and the sessions that know it.

    Args:
        config: the arguments of the studio.
        port: the port that it listens on.
    """

    def __init__(self, config: StudioConfig, port: int) -> None:
        self.token, self.view_secret = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.cookie = f"pippin_studio_{port}"
        self._password, self._remote, self._port = config.password, config.is_remote, port
        names = ["127.0.0.1", "localhost", "[::1]"]
        if config.is_remote:
            names += [config.host.lower(), socket.gethostname().lower()]
        self._hosts = {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())
        self._sessions: list[str] = []

    @property
    def has_password(self) -> bool:
        """Whether a password is needed."""
        return self._password is not None

    def is_own_host(self, host: str) -> bool:
        """Return whether a `Host` header names this server. An IP address cannot be rebound, so any is right."""
        if host.lower() in self._hosts:
            return True
        name, _, port = host.rpartition(":")
        return self._remote and port == str(self._port) and is_address(name)

    def knows_token(self, token: str) -> bool:
        """Return whether a token is that of the page."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def knows_view_secret(self, secret: str) -> bool:
        """Return whether a secret is that in the addresses of files that open in a sandbox."""
        return hmac.compare_digest(secret.encode(), self.view_secret.encode())

    def log_in(self, password: str) -> str | None:
        """Return the secret of a new session; None if the password is wrong."""
        if self._password is None or not hmac.compare_digest(password.encode(), self._password.encode()):
            return None
        self._sessions = [*self._sessions[1 - MAX_SESSIONS :], secrets.token_urlsafe(32)]
        return self._sessions[-1]

    def log_out(self, scope: Scope) -> None:
        """End the session of a request."""
        session = self._session_of(scope)
        self._sessions = [known for known in self._sessions if known != session]

    def is_authenticated(self, scope: Scope) -> bool:
        """Return whether a request may see more than the page that asks for the password."""
        if self._password is None:
            return True
        session = self._session_of(scope).encode()
        return any(hmac.compare_digest(session, known.encode()) for known in self._sessions)

    def _session_of(self, scope: Scope) -> str:
        return cookie_parser(Headers(scope=scope).get("cookie", "")).get(self.cookie, "")


class Guard:
    """Refuses requests that the studio must not answer, and adds the headers of `HEADERS` to all answers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            refusal = self._refusal(scope)
            await (refusal or self._app)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that is refused, or None."""
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._access.is_own_host(host):
            return error_answer(403, "forbidden", "This server answers only to its own address.")
        if path.startswith(VIEW_PATH) and method in SAFE_METHODS:  # has a secret in it, which the route compares
            return None
        if any(origin != f"http://{host}" for origin in headers.getlist("origin")):
            return error_answer(403, "forbidden", "This server answers only its own page.")
        foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        opens_page = headers.get("sec-fetch-mode") == "navigate" and method == "GET" and path == "/"
        if foreign and not opens_page:
            return error_answer(403, "forbidden", "This server answers only its own page.")
        if method not in SAFE_METHODS and not self._access.knows_token(headers.get(TOKEN_HEADER, "")):
            return error_answer(403, "forbidden", "The page is older than the server; reload it.")
        is_open = path in OPEN_PATHS or path.startswith("/static/")
        if not is_open and not self._access.is_authenticated(scope):
            return error_answer(401, "unauthorised", "Enter the password of this studio first.")
        return None


def _with_headers(send: Send) -> Send:
    """Return a function that sends a message of an answer with the headers of `HEADERS`."""

    async def send_message(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_message
