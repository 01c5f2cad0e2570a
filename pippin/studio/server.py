"""The server of the studio: it listens, opens the page in the browser, and runs until it is interrupted."""

import errno
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from pippin.errors import SettingsError
from pippin.studio.app import make_app
from pippin.studio.config import PORT, PORTS_TRIED, StudioConfig
from pippin.studio.guard import Access, Guard
from pippin.studio.state import Studio

MAX_CONNECTIONS = 100
"""Largest number of connections at a time. A browser opens six for each tab."""

CLOSING_SECONDS = 2
"""Time for which a server that ends waits for requests that it still answers."""


def serve(config: StudioConfig, announce: Callable[[str], None], open_browser: bool = True) -> None:
    """Run the studio until it is interrupted. Trainings that it started continue.

    Args:
        config: the arguments.
        announce: called with the address of the page when the server listens.
        open_browser: whether to open the page in the browser of this computer.

    Raises:
        SettingsError: the host or the port cannot be used.
    """
    server = StudioServer(config)
    address = page_address(config, server.port)
    announce(address)
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    try:
        with suppress(KeyboardInterrupt):
            server.answer()
    finally:
        server.close()


class StudioServer(uvicorn.Server):
    """The server of a studio, which listens from the start; when it ends, streams of events end first.

    Args:
        config: the arguments.

    Raises:
        SettingsError: the host or the port cannot be used.

    Attributes:
        studio: what the server shows and does.
        port: where it listens.
    """

    def __init__(self, config: StudioConfig) -> None:
        self._listener = listen(config)
        self.port: int = self._listener.getsockname()[1]
        self.studio, access = Studio(config), Access(config, self.port)
        app = make_app(self.studio, access)
        super().__init__(
            uvicorn.Config(
                Guard(app, access),
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                ws="none",
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=CLOSING_SECONDS,
            )
        )
        app.state.end = self.end

    def answer(self) -> None:
        """Answer requests until the server ends."""
        self.run(sockets=[self._listener])

    def close(self) -> None:
        """Close the studio and the socket. Call it after `answer`."""
        self.studio.close()
        self._listener.close()

    def end(self) -> None:
        """End the server after the requests that it still answers."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams of events, then the server."""
        self.studio.ended.set()
        await super().shutdown(sockets)


def listen(config: StudioConfig) -> socket.socket:
    """Return a socket that listens on the host and port of a studio.

    Raises:
        SettingsError: the host or the port cannot be used.
    """
    ports = range(PORT, PORT + PORTS_TRIED) if config.port is None else (config.port,)
    for port in ports:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(config.host, port, type=socket.SOCK_STREAM)[0]
            listener = socket.socket(family, kind, protocol)
        except (OSError, UnicodeError) as problem:
            raise SettingsError(f"The host is unknown ({problem}). Received: --host {config.host}") from None
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
            return listener
        except OSError as problem:
            listener.close()
            if problem.errno != errno.EADDRINUSE or port == ports[-1]:
                reason = problem.strerror or problem
                raise SettingsError(
                    f"The studio cannot listen there ({reason}); choose another --port. "
                    f"Received: host={config.host}, port={port}"
                ) from None
    raise AssertionError("there is at least one port")


def page_address(config: StudioConfig, port: int) -> str:
    """Return the address of the page."""
    name = f"[{config.host}]" if ":" in config.host else config.host
    return f"http://{name}:{port}/"
