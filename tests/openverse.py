"""A search on this machine that answers as Openverse does, and servers of pictures as bad as any: what tests ask."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import odd_files
from PIL import Image


def photograph(seed, side=160):
    spots = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return odd_files.encoded(Image.fromarray(spots).resize((side, side), Image.Resampling.BICUBIC), "JPEG")


class Openverse:
    """Attributes: `results`, what there is to find; `answers`, path → how it is answered (bytes for a picture, or a
    function of the request that answers by itself); `calls`, what was asked, in order; `agents`, by whom."""

    def __init__(self, address):
        self.address = address
        self.api = f"{address}/v1/images/"
        self.results, self.answers, self.calls, self.agents = [], {}, [], set()
        self.search = self.page
        self.most_pages = 12

    def add(self, name, answer, **about):
        """Let there be one more picture to find."""
        self.answers[f"/{name}"] = answer
        usual = {
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
        self.results.append({**usual, **about})

    def add_many(self, count, **about):
        for n in range(count):
            self.add(f"{n}.jpg", photograph(n), **about)

    def page(self, request, asked):
        """Answer with a page of the results."""
        size, number = int(asked["page_size"][0]), int(asked["page"][0])
        pages = min(self.most_pages, -(-len(self.results) // size))
        found = self.results[size * (number - 1) : size * number]
        reply(request, json.dumps({"result_count": len(self.results), "page_count": pages, "results": found}).encode())

    def pages(self):
        return [call for call in self.calls if call.startswith("/v1/")]

    def pictures(self):
        return [call for call in self.calls if not call.startswith("/v1/")]


def reply(request, content, status=200, announced=None, **headers):
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-").replace("--", "_"), value)
    request.send_header("Content-Length", str(len(content) if announced is None else announced))
    request.end_headers()
    with contextlib.suppress(OSError):  # whoever asked has heard enough
        request.wfile.write(content)


@contextlib.contextmanager
def serving():
    """Give an `Openverse` that answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            there.calls.append(self.path)
            there.agents.add(self.headers["User-Agent"])
            if parts.path == "/v1/images/":
                there.search(self, parse_qs(parts.query))
                return
            answer = there.answers.get(parts.path)
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
        there = Openverse(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield there
        finally:
            server.shutdown()
            thread.join()
