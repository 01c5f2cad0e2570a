"""Gathering pictures in a real browser: from an empty start to an audited set, and to uploads."""

import re

import pytest
from studio_browser import HOSTILE, PICTURES, Visit, choose_folder, expect, go

pytestmark = pytest.mark.slow


def test_the_start_is_empty_and_asks_for_pictures(tab):
    expect(tab.get_by_role("heading", level=1)).to_have_text("Which pictures should it learn from?")
    for place in ("Plan", "Train", "Explore"):
        go(tab, place.lower())
        expect(tab.locator(".empty")).to_be_visible()
        expect(tab.locator(".places a[aria-current]")).to_have_text(place)


def test_a_folder_is_chosen_and_its_audit_is_shown_as_pictures(tab, server):
    go(tab, "gather")
    choose_folder(tab, server.home / "apples")
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
