"""The whole way in a real browser: from an empty start over a plan and a training to files to take away.

The tests run in order and share one run, because each start of a training costs seconds.
"""

import re
import time

import numpy as np
import pytest
from PIL import Image
from studio_browser import PATIENCE, PICTURES, Visit, choose_folder, expect, go

from pippin.translation import Translator, catalogue

pytestmark = pytest.mark.slow


def batches(tab):
    """Return the number of batches that the page shows."""
    shown = re.match(r"[\d,]+", tab.locator(".facts dd").first.inner_text())
    return int(shown[0].replace(",", "")) if shown else 0


def wait_until(tab, happened):
    """Wait until a function of what the page shows is true."""
    end = time.monotonic() + PATIENCE / 1000
    while not happened():
        assert time.monotonic() < end, tab.locator("main").inner_text()
        tab.wait_for_timeout(200)


def wait_for_batches(tab, count):
    """Wait until the page shows that many batches or more."""
    wait_until(tab, lambda: batches(tab) >= count)


def pixels(tab, canvas):
    read = "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    return np.array(tab.locator(canvas).first.evaluate(read))


def wait_for_picture(tab):
    """Wait until the sheet of a run is drawn."""
    tab.wait_for_selector("canvas.sheet[data-shown]")


def test_an_empty_start_leads_to_checked_pictures(tab, server):
    expect(tab.locator(".set-card")).to_have_count(0)
    choose_folder(tab, server.home / "apples")
    expect(tab.locator(".gridview .cell")).to_have_count(PICTURES + 2)


def test_the_plan_shows_time_and_memory_with_reasons_and_starts(tab):
    tab.get_by_role("link", name="Plan the training").click()
    tab.locator("input[name=size][value='16']").click()
    tab.locator("input[name=minutes][value='480']").click()  # it does not end before it is paused, however fast it is
    tab.locator("details.more > summary").click()
    tab.get_by_label("Preset", exact=True).select_option("classic")
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
    wait_until(tab, lambda: (pixels(tab, "canvas.sheet") != before).any())
    expect(tab.locator(".curve:not([hidden])").first).to_be_visible()
    expect(tab.locator(".health")).not_to_be_empty()


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
    expect(tab.locator(".command code").first).to_have_text(re.compile(r"^touch runs/.*/pause$"))
    tab.get_by_role("button", name="Pause", exact=True).click()
    expect(tab.get_by_role("button", name="Resume")).to_be_visible()
    expect(tab.locator(".place-head")).to_contain_text("Paused")
    expect(tab.locator(".command code").first).to_have_text(re.compile(r"^rm runs/.*/pause$"))


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


def places(tab):
    """Return the addresses of all places of the run that the tab shows."""
    run, found = tab.url.split("/train/")[1].split("/")[0], "#/gather"
    chosen = tab.evaluate("fetch('/api/sets').then((answer) => answer.json()).then(({ sets }) => sets[0].id)")
    parts = [f"#/explore/{run}/{part}" for part in ("pictures", "walk", "mix", "find", "compare", "take")]
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


SENTENCES = (
    "too large: 9×9 is more than 5 pixels",
    "something new",
    "15 files: 9 kept, 2 mended, 4 refused",
    "refused: a.png (truncated: the end of the file is missing), b.txt (not a picture) and 3 more",
    "mended: 1 full page of a TIFF used, and not its reduced first page, 2 grey turned into RGB",
    "batch 50/60  1234 images/s  3 min 05 s left  d_loss 0.123 g_loss 0.456  runs/a/latest.png",
    "Finished: batch 12 after 9 s of training and 12 s of compiling",
    "image_size must be from 16 to 256. Received: image_size=3",
    "The folder cannot be read (Permission denied); check its permissions. Received: source='in x'",
    "For Keras 3: runs/a b/generator.keras (1.2 MB)",
    "generating: 32 of 64, 5 s left",
)


def test_japanese_is_chosen_by_the_browser_and_can_be_switched(browser, server, tab):
    visit = Visit(browser, server, places(tab)[4], locale="ja-JP", color_scheme="dark")
    expect(visit.tab.locator(".places")).to_contain_text("集める")
    expect(visit.tab.get_by_role("button", name="再開")).to_be_visible()
    assert visit.tab.evaluate("document.documentElement.lang") == "ja"
    said = "text => import('/static/js/messages.js').then(({ said }) => said(text))"
    assert visit.tab.evaluate(said, "There is no such folder. Received: x") == "そのフォルダはありません。（入力：x）"
    translate = Translator(catalogue("ja"))
    for text in SENTENCES:
        assert visit.tab.evaluate(said, text) == translate(text)
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
    expect(visit.tab.locator(".tabs [aria-selected='true']")).to_have_text("Take away")
    visit.close()


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


def test_layouts_and_styles_are_mixed(tab):
    tab.get_by_role("tab", name="Mix").click()
    expect(tab.locator(".mixed .tile")).to_have_count(16)
    tab.get_by_label("Styles from seed").fill("9")
    tab.get_by_label("Styles from seed").press("Enter")
    expect(tab.locator(".mixed .tile").first).to_have_attribute("alt", "Layout of seed 0, style of seed 9")
    expect(tab.locator(".command code")).to_contain_text("--coarse 0-3 --fine 9-12")


def test_the_run_resumes_where_it_was_paused(tab):
    go(tab, "train")
    paused_at = batches(tab)
    assert paused_at > 0
    tab.get_by_role("button", name="Resume").click()
    expect(tab.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    wait_for_batches(tab, paused_at + 1)


def test_pictures_are_taken_away_with_the_command_that_does_the_same(tab, tmp_path):
    tab.get_by_role("link", name="Try it").click()
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


def test_a_stop_is_confirmed_and_saves(tab):
    go(tab, "train")
    tab.get_by_role("button", name="Stop").click()
    tab.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(tab.locator(".place-head")).to_contain_text("Stopped")
    expect(tab.get_by_role("button", name="Resume")).to_be_visible()


def test_a_run_of_a_terminal_appears_and_can_be_paused(tab, server):
    tab.goto(server.address + "#/train")
    expect(tab.locator(".run-card")).to_have_count(1)
    training = server.run(
        "train", "apples", "--preset", "classic", "--image-size", "16", "--minutes", "480", "--run", "runs/by-hand"
    )
    card = tab.locator(".run-card", has_text="by-hand")
    expect(card).to_contain_text("Learning")
    card.click()
    wait_for_batches(tab, 1)
    tab.get_by_role("button", name="Pause", exact=True).click()
    expect(tab.locator(".place-head")).to_contain_text("Paused")
    assert training.poll() is None  # it waits
    tab.get_by_role("button", name="Stop").click()
    tab.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(tab.locator(".place-head")).to_contain_text("Stopped")
    assert training.wait(PATIENCE / 1000) == 130
