"""The studio's page in a real browser: from nothing to pictures to take away. All other hosts are blocked.

The tests of a file run in order and share one server and one run, because each training costs seconds.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

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
        self.process.wait(30)
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


def batches(tab):
    """Return the number of batches that the page shows."""
    return int(tab.locator(".facts dd").first.inner_text().split("/")[0].replace(",", ""))


def wait_for_batches(tab, count):
    """Wait until the page shows that many batches or more."""
    end = time.monotonic() + PATIENCE / 1000
    while batches(tab) < count:
        assert time.monotonic() < end, tab.locator("main").inner_text()
        tab.wait_for_timeout(200)


def pixels(tab, canvas):
    read = "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    return np.array(tab.locator(canvas).first.evaluate(read))


def wait_for_picture(tab):
    """Wait until the sheet of a run is drawn."""
    tab.wait_for_selector("canvas.sheet[data-shown]")


def test_the_start_is_empty_and_asks_for_pictures(tab):
    expect(tab.get_by_role("heading", level=1)).to_have_text("Which pictures should it learn from?")
    for place in ("Plan", "Train", "Explore"):
        go(tab, place.lower())
        expect(tab.locator(".empty")).to_be_visible()
        expect(tab.locator(".places a[aria-current]")).to_have_text(place)


def test_a_folder_is_chosen_and_its_audit_is_shown_as_pictures(tab, server):
    go(tab, "gather")
    tab.get_by_role("button", name="Choose a folder").click()
    tab.get_by_role("textbox", name="Path of a folder").fill(str(server.home / "apples"))
    tab.keyboard.press("Enter")
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


def test_the_plan_shows_time_and_memory_with_reasons_and_starts(tab):
    tab.get_by_role("link", name="Plan the training").click()
    tab.locator("input[name=size][value='16']").click()
    tab.locator("details.more > summary").click()
    tab.get_by_label("Preset").select_option("classic")
    expect(tab.locator(".outcome:not(.old) .facts dd").nth(1)).to_contain_text("B")
    expect(tab.locator(".outcome")).to_contain_text("16×16")
    expect(tab.locator(".outcome code")).to_contain_text("--preset classic")
    expect(tab.locator(".reason").first).to_be_visible()
    tab.get_by_role("button", name="Start training").click()
    expect(tab).to_have_url(re.compile("#/train/"))


def test_the_pictures_change_while_it_learns(tab):
    wait_for_picture(tab)
    before = pixels(tab, "canvas.sheet")
    wait_for_batches(tab, 50)
    expect(tab.locator(".curve:not([hidden])").first).to_be_visible()
    expect(tab.locator(".health")).not_to_be_empty()
    assert (pixels(tab, "canvas.sheet") != before).any()


def test_a_second_page_shows_the_same_run(browser, server, tab):
    other = Visit(browser, server, tab.url.split("/", 3)[3])
    wait_for_batches(other.tab, 50)
    expect(other.tab.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    other.close()


def test_a_reload_and_a_restart_of_the_server_lose_nothing(tab, server):
    tab.reload()
    wait_for_batches(tab, 50)
    before = batches(tab)
    server.stop()
    expect(tab.get_by_role("alert")).to_be_visible()
    server.start()
    expect(tab.get_by_role("alert")).to_be_hidden()
    wait_for_batches(tab, before + 1)


def test_a_pause_saves_and_shows_that_it_can_resume(tab):
    tab.get_by_role("button", name="Pause", exact=True).click()
    expect(tab.get_by_role("button", name="Resume")).to_be_visible()
    expect(tab.locator(".place-head")).to_contain_text("Paused")


def test_the_scrubber_shows_each_moment_of_the_history(tab):
    tab.locator(".scrubber input").focus()
    newest = pixels(tab, "canvas.sheet")
    tab.keyboard.press("Home")
    expect(tab.locator(".scrubber output")).to_have_text("batch 0")
    expect(tab.locator("canvas.sheet")).to_have_attribute("data-shown", re.compile(r"/0\.png"))
    first = pixels(tab, "canvas.sheet")
    assert (first != newest).any()
    tab.keyboard.press("ArrowRight")
    expect(tab.locator(".scrubber output")).not_to_have_text("batch 0")
    tab.locator(".picker").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("canvas.loupe")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.locator("canvas.loupe")).to_be_hidden()


def test_pictures_are_sampled_kept_and_changed(tab):
    tab.get_by_role("link", name="Try it").click()
    expect(tab.locator(".samples .tile")).to_have_count(24)
    for number in (0, 3):
        tab.locator(".samples .tile").nth(number).click()
        tab.get_by_role("button", name="Keep", exact=True).click()
    expect(tab.locator(".strip .tile")).to_have_count(2)
    slider = tab.locator(".edit input").first
    before = tab.locator(".editor .large").get_attribute("src")
    slider.focus()
    for _ in range(5):
        tab.keyboard.press("PageUp")
    expect(tab.locator(".editor .large")).not_to_have_attribute("src", before)
    expect(tab.locator(".editor h2")).to_contain_text("changed")


def test_a_walk_leads_from_favourite_to_favourite(tab):
    tab.get_by_role("tab", name="Walk").click()
    expect(tab.locator(".strip .tile")).to_have_count(2)
    start = pixels(tab, ".stage canvas")
    tab.get_by_label("Position in the walk").focus()
    tab.keyboard.press("PageUp")
    tab.keyboard.press("PageUp")
    assert (pixels(tab, ".stage canvas") != start).any()
    expect(tab.locator(".command code")).to_contain_text("pippin walk")


def test_pictures_are_taken_away_with_the_command_that_does_the_same(tab, tmp_path):
    tab.get_by_role("tab", name="Take away").click()
    card = tab.get_by_role("region", name="Pictures", exact=True)
    expect(card.locator("code")).to_contain_text("pippin sample")
    card.get_by_role("button", name="Make it").click()
    with tab.expect_download() as waiting:
        card.locator(".file a").first.click()
    waiting.value.save_as(tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.width == picture.height
    expect(tab.locator(".file-row").first).to_be_visible()


def places(tab):
    """Return the addresses of all places of the run that the tab shows."""
    run, found = tab.url.split("/explore/")[1].split("/")[0], tab.locator(".places a").first.get_attribute("href")
    chosen = tab.locator(".places a").nth(1).get_attribute("href").split("/")[-1]
    parts = [f"#/explore/{run}/{part}" for part in ("pictures", "walk", "find", "compare", "take")]
    return [found, f"#/gather/{chosen}", f"#/plan/{chosen}", "#/train", f"#/train/{run}", *parts]


def test_a_phone_scrolls_only_downwards(browser, server, tab):
    phone = Visit(browser, server, viewport={"width": 390, "height": 844}, has_touch=True)
    for place in places(tab):
        phone.tab.goto(server.address + place)
        phone.tab.wait_for_selector("main h1")
        phone.tab.wait_for_timeout(300)
        widest = phone.tab.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
        assert widest <= 390, place
    phone.close()


def test_japanese_is_chosen_by_the_browser_and_can_be_switched(browser, server, tab):
    visit = Visit(browser, server, places(tab)[4], locale="ja-JP", color_scheme="dark")
    expect(visit.tab.locator(".places")).to_contain_text("集める")
    expect(visit.tab.get_by_role("button", name="再開")).to_be_visible()
    assert visit.tab.evaluate("document.documentElement.lang") == "ja"
    visit.tab.get_by_role("button", name="English").click()
    expect(visit.tab.get_by_role("button", name="Resume")).to_be_visible()
    visit.tab.reload()
    expect(visit.tab.locator(".places")).to_contain_text("Gather")
    visit.close()


def press_until(tab, selector, key="Tab", most=60):
    """Press a key until the focus is on an element."""
    for _ in range(most):
        if tab.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        tab.keyboard.press(key)
    raise AssertionError(f"{selector} is not reached with {key}")


def test_the_keyboard_alone_reaches_everything(browser, server):
    visit = Visit(browser, server)
    keyboard = visit.tab.keyboard
    visit.tab.wait_for_selector("main h1")
    press_until(visit.tab, ".skip", most=1 + 1)
    outline = visit.tab.locator(".skip").evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline == "solid"
    press_until(visit.tab, "a.set-card")
    keyboard.press("Enter")
    visit.tab.wait_for_selector(".cell img")
    press_until(visit.tab, ".cell")
    press_until(visit.tab, "a.primary", "Shift+Tab")
    keyboard.press("Enter")
    press_until(visit.tab, "input[name=quality]:checked")
    keyboard.press("ArrowLeft")
    expect(visit.tab.locator("input[name=quality]:checked")).to_have_attribute("value", "quick")
    press_until(visit.tab, ".places a[href^='#/explore']", "Shift+Tab")
    keyboard.press("Enter")
    press_until(visit.tab, ".tabs .chip")
    keyboard.press("End")
    keyboard.press("Enter")
    expect(visit.tab.get_by_role("region", name="Report")).to_be_visible()
    visit.close()
