"""The studio's page in a real browser: from an empty start to an audited set of pictures. All other hosts are blocked.

The tests of this file run in order and share one server, because each start of one costs seconds.
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
PATIENCE = 120_000
"""Milliseconds to wait for what starts an engine, on a busy machine."""

pytestmark = pytest.mark.slow


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

    def start(self):
        names = {"HOME": self.home, "PIPPIN_CACHE": self.home / "cache", "KERAS_BACKEND": "tensorflow"}
        self.log = (self.home / "studio.txt").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pippin", "studio", "--no-browser", "--port", str(self.port)],
            cwd=self.home,
            env={**os.environ, **{name: str(value) for name, value in names.items()}, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert found, line + (self.home / "studio.txt").read_text()
        self.port = int(found[1])
        return self

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(120)
        self.process.stdout.close()
        self.log.close()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
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


@pytest.fixture(scope="module")
def browser():
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
        assert (self.elsewhere, self.problems) == ([], [])


@pytest.fixture(scope="module")
def visit(browser, server):
    visit = Visit(browser, server)
    yield visit
    visit.close()


@pytest.fixture(scope="module")
def tab(visit):
    return visit.tab


def expect(locator):
    from playwright.sync_api import expect

    return expect(locator)


def go(tab, place):
    """Go to a place by its link in the rail."""
    tab.locator(f".places a[href^='#/{place}']").click()


def test_the_start_is_empty_and_asks_for_pictures(tab):
    expect(tab.get_by_role("heading", level=1)).to_have_text("Which pictures should it learn from?")
    for place in ("Plan", "Train", "Explore"):
        go(tab, place.lower())
        expect(tab.locator(".empty")).to_be_visible()
        expect(tab.locator(".places a[aria-current]")).to_have_text(place)


def test_a_folder_is_chosen_and_its_audit_is_shown_as_pictures(tab, server):
    go(tab, "gather")
    tab.get_by_role("button", name="Choose a folder").click()
    path = tab.get_by_role("textbox", name="Path of a folder")
    path.fill(str(server.home / "apples"))
    path.press("Enter")
    tab.get_by_role("button", name="Allow").click()
    tab.get_by_role("button", name="Use this folder").click()
    expect(tab.locator(".gridview .cell")).to_have_count(PICTURES + 2)
    expect(tab.locator(".cell.refused")).to_have_count(2)  # the damaged file and the exact copy
    tab.locator(".cell[aria-label*='apple-04']").hover()
    expect(tab.locator(".inspector h3")).to_contain_text("apple-04.png")
    expect(tab.locator(".crop-row img")).to_have_count(1)
    tab.locator(".cell[aria-label*='broken']").hover()
    expect(tab.locator(".inspector .state")).to_have_text("Refused")


def test_a_script_in_a_file_name_is_shown_as_text(tab):
    tab.get_by_role("searchbox").fill("onerror")
    expect(tab.locator(".gridview .cell")).to_have_count(1)
    tab.locator(".cell").hover()
    expect(tab.locator(".inspector h3")).to_have_text(HOSTILE)
    assert tab.locator("img[src='x']").count() == 0
    assert tab.title() == "Gather · Pippin"
    tab.get_by_role("searchbox").fill("")
    expect(tab.locator(".gridview .cell")).to_have_count(PICTURES + 2)


def test_a_click_leaves_a_picture_out_and_another_takes_it_back(tab):
    cell = tab.locator(".cell[aria-label*='apple-02']")
    for left_out in (True, False, True):
        cell.click()
        expect(cell).to_have_attribute("aria-selected", str(not left_out).lower())
        expect(tab.get_by_role("button", name="Left out")).to_have_count(int(left_out))
    tab.reload()
    expect(tab.locator(".cell.out")).to_have_count(1)


def test_the_arrow_keys_move_in_the_grid_and_enter_leaves_out(tab):
    tab.locator(".cell").first.focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator(".cell:focus")).to_have_attribute("data-position", "1")
    tab.keyboard.press("End")
    expect(tab.locator(".cell:focus")).to_have_attribute("data-position", str(PICTURES + 1))
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("Enter")
    expect(tab.locator(".cell:focus")).to_have_class(re.compile("out"))
    tab.keyboard.press("Enter")
    expect(tab.locator(".cell.out")).to_have_count(1)


def test_files_are_uploaded_and_audited(browser, server):
    visit = Visit(browser, server)
    visit.tab.locator("input[type=file]").set_input_files(
        [server.home / "apples" / f"apple-{number:02d}.png" for number in range(4)]
    )
    expect(visit.tab.locator(".gridview .cell")).to_have_count(4)
    visit.close()
