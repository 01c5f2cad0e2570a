"""Shared by the tests of the studio: a real server in a thread, and a client that behaves like its page."""

import threading
import time
from contextlib import contextmanager

import requests

from pippin.studio.config import make_config
from pippin.studio.server import StudioServer


class Client:
    """Sends requests to a studio, with the token of its page."""

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.token = self.get("/api/session").json()["token"]

    def get(self, path, **options):
        return self.session.get(self.address + path, timeout=300, **options)

    def send(self, method, path, body=None, **options):
        """Send a request that changes something, with a body in JSON or in bytes."""
        headers = {"X-Pippin-Token": self.token, **options.pop("headers", {})}
        content = {"data": body} if isinstance(body, bytes) else {"json": body}
        return self.session.request(method, self.address + path, timeout=300, headers=headers, **content, **options)

    def post(self, path, body=None, **options):
        return self.send("POST", path, body, **options)

    def finished(self, job, seconds=600):
        """Wait for a job to end, and return it."""
        end = time.monotonic() + seconds
        while (found := self.get(f"/api/jobs/{job['id']}").json())["ended"] is None:
            assert time.monotonic() < end, found
            time.sleep(0.05)
        return found

    def result(self, job):
        """Wait for a job, and return its result."""
        found = self.finished(job)
        assert found["state"] == "done", found["message"]
        return found["result"]


@contextmanager
def serving(*folders, **options):
    """Run a studio in the working folder, and yield its client; `client.studio` is the studio."""
    config = make_config(folders, port=0, **options)
    server = StudioServer(config)
    thread = threading.Thread(target=server.answer)
    thread.start()
    try:
        client = Client(server.port)
        client.studio, client.server = server.studio, server
        yield client
    finally:
        server.end()
        thread.join()
        server.close()
