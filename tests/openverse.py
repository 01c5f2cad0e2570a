"""A local server with Openverse's interface, whose pictures and errors each test defines."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import odd_files
from PIL import Image


def photograph(seed, side=160):
    """Return a JPEG file of random soft spots, as bytes."""
    spots = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return odd_files.encoded(Image.fromarray(spots).resize((side, side), Image.Resampling.BICUBIC), "JPEG")


class Openverse:
    """A search server and its pictures.

    Attributes:
        results: the search results.
        answers: path → its response: the bytes of a picture, or a function that answers the request itself.
        calls: the requested paths, in order.
        agents: the user agents of the requests.
    """

    def __init__(self, address):
        self.address = address
        self.api = f"{address}/v1/images/"
        self.results, self.answers, self.calls, self.agents = [], {}, [], set()
        self.search = self.page
        self.most_pages = 12

    def add(self, name, answer, **about):
        """Add a picture and its search result; `about` overrides the result's fields."""
        self.answers[f"/{name}"] = answer
        default = {
            "title": f"An apple {name}",
            "creator": "Eve",
            "license": "by-sa",
            "license_version": "4.0",
            "license_url": "https://creativecommons.org/licenses/by-sa/4.0/",
            "foreign_landing_url": f"https://example.org/{name}",
            "url": f"{self.address}/{name}",
            "filetype": "jpg",
            "width": 160,
            "height": 160,
        }
        self.results.append({**default, **about})

    def add_many(self, count, **about):
        """Add pictures named 0.jpg, 1.jpg, …"""
        for n in range(count):
            self.add(f"{n}.jpg", photograph(n), **about)

    def page(self, request, query):
        """Answer a request with a page of results."""
        size, number = int(query["page_size"][0]), int(query["page"][0])
        pages = min(self.most_pages, -(-len(self.results) // size))
        found = self.results[size * (number - 1) : size * number]
        reply(request, json.dumps({"result_count": len(self.results), "page_count": pages, "results": found}).encode())

    def pages(self):
        """Return the requests for pages of results."""
        return [call for call in self.calls if call.startswith("/v1/")]

    def pictures(self):
        """Return the requests for pictures."""
        return [call for call in self.calls if not call.startswith("/v1/")]


def reply(request, content, status=200, announced=None, **headers):
    """Answer a request; `announced` is a false Content-Length."""
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-").replace("--", "_"), value)
    request.send_header("Content-Length", str(len(content) if announced is None else announced))
    request.end_headers()
    with contextlib.suppress(OSError):  # the client has closed the connection
        request.wfile.write(content)


@contextlib.contextmanager
def serving():
    """Yield an `Openverse` that is being served."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            openverse.calls.append(self.path)
            openverse.agents.add(self.headers["User-Agent"])
            if parts.path == "/v1/images/":
                openverse.search(self, parse_qs(parts.query))
                return
            answer = openverse.answers.get(parts.path)
            if answer is None:
                reply(self, b"<html>404</html>", 404)
            elif isinstance(answer, bytes):
                reply(self, answer, Content_Type="image/jpeg")
            else:
                answer(self)

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        openverse = Openverse(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield openverse
        finally:
            server.shutdown()
            thread.join()
