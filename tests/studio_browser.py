"""Shared by the tests of the page: a studio in a process, and tabs of a real browser that can reach nothing else.

The tests of a file run in order and share one server, because each start of one costs seconds.
"""

import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "<img src=x onerror=document.title='opened'>.png"
PICTURES, SIDE = 30, 48
PATIENCE = 300_000
"""Milliseconds to wait for what starts an engine, on a busy machine."""


def apple(number):
    """Return a picture of a disc whose colour and place depend on its number."""
    y, x = np.mgrid[:SIDE, :SIDE]
    disc = (x - 20 - number % 7) ** 2 + (y - 20 - number % 5) ** 2 < (10 + number % 6) ** 2
    picture = np.full((SIDE, SIDE, 3), 235 - number, np.uint8)
    picture[disc] = (200 - 4 * number, 40 + 5 * number, 30)
    return Image.fromarray(picture)


class Server:
    """A studio in a process of its own, in a new home folder."""

    def __init__(self, home):
        self.home, self.port, self.process = home, 0, None
        self.log = home / "errors.txt"

    def run(self, *words, stdout=subprocess.DEVNULL):
        """Return a process that runs a command of Pippin in the home folder."""
        names = {"HOME": self.home, "PIPPIN_CACHE": self.home / "cache", "KERAS_BACKEND": "tensorflow"}
        environment = {**os.environ, **{name: str(value) for name, value in names.items()}, "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "pippin", *words]
        with self.log.open("a") as log:
            return subprocess.Popen(command, cwd=self.home, env=environment, stdout=stdout, stderr=log, text=True)

    def start(self):
        self.process = self.run("studio", "--no-browser", "--port", str(self.port), stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert found, line + self.log.read_text()
        self.port = int(found[1])
        return self

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(300)
        self.process.stdout.close()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/"


@pytest.fixture(name="server", scope="module")
def start_server(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    folder = home / "apples"
    folder.mkdir()
    for number in range(PICTURES):
        apple(number).save(folder / f"apple-{number:02d}.png")
    apple(3).save(folder / HOSTILE)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff not a picture")
    started = Server(home).start()
    yield started
    started.stop()


@pytest.fixture(name="browser", scope="module")
def launch_browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A tab on the studio, what it asked of other hosts, and the problems in it."""

    def __init__(self, browser, server, path="", **options):
        options = {"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"} | options
        self.context = browser.new_context(**options)
        self.elsewhere, self.problems = [], []
        self.context.route(re.compile(r"^(?!data:|blob:)"), lambda route: self.pass_on(route, server))
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(PATIENCE)
        self.tab.on("pageerror", lambda problem: self.problems.append(str(problem)))
        self.tab.on("console", lambda message: self.note(message))
        self.tab.goto(server.address + path)

    def pass_on(self, route, server):
        if route.request.url.startswith(server.address):
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def note(self, message):
        """Note what breaks the content policy or the page; a refused request has its own message on the page."""
        if message.type == "error" and "Failed to load resource" not in message.text and "ERR_" not in message.text:
            self.problems.append(message.text)

    def close(self):
        self.context.close()
        found = (self.elsewhere, self.problems)
        assert found == ([], []), found


@pytest.fixture(name="visit", scope="module")
def open_visit(browser, server):
    visit = Visit(browser, server)
    yield visit
    visit.close()


@pytest.fixture(name="tab", scope="module")
def open_tab(visit):
    return visit.tab


def expect(locator):
    from playwright.sync_api import expect

    return expect(locator)


def go(tab, place):
    """Go to a place by its link in the rail."""
    tab.locator(f".places a[href^='#/{place}']").click()


def choose_folder(tab, folder):
    """Choose a folder of pictures by its path, and let the studio read it."""
    tab.get_by_role("button", name="Choose a folder").click()
    path = tab.get_by_role("textbox", name="Path of a folder")
    path.fill(str(folder))
    path.press("Enter")
    tab.get_by_role("button", name="Allow").click()
    tab.get_by_role("button", name="Use this folder").click()
