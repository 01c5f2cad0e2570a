"""The files of the studio's page: both languages are complete, and nothing comes from elsewhere."""

import re
from importlib import resources

import pytest

from pippin.settings import IMAGE_SIZES
from pippin.studio.health import SENTENCES

STATIC = resources.files("pippin.studio") / "static"
SCRIPTS = [file for file in (STATIC / "js").iterdir() if file.name.endswith(".js")]


def words(language):
    """Return key → text of a language of the page."""
    text = (STATIC / "words" / f"{language}.js").read_text(encoding="utf-8")
    found = re.findall(r'(?:^|[{,\s])"?([\w.]+)"?: "((?:[^"\\]|\\.)*)"', text)
    return dict(found), [key for key, _ in found]


def test_both_languages_have_the_same_keys_and_values():
    (english, keys), (japanese, others) = words("en"), words("ja")
    assert len(keys) == len(set(keys)) > 200
    assert sorted(keys) == sorted(others)
    for key, text in english.items():
        names, known = (set(re.findall(r"\{(\w+)\}", each)) for each in (japanese[key], text))
        assert names <= known | {"n"}, key


def test_each_text_that_a_script_asks_for_exists():
    english, _ = words("en")
    asked = {key for file in SCRIPTS for key in re.findall(r'\bt\("(\w+)"', file.read_text(encoding="utf-8"))}
    assert len(asked) > 150
    assert asked <= set(english)


def test_each_size_and_each_state_of_a_run_has_a_name():
    english, _ = words("en")
    states = ("starting", "training", "stopping", "paused", "stopped", "interrupted", "finished", "failed", "damaged")
    assert {f"size_{side}" for side in IMAGE_SIZES} | {f"run_{state}" for state in states} <= set(english)
    assert {f"health_{code}" for code in SENTENCES} <= set(english)


@pytest.mark.parametrize("folder", ["", "js", "style", "words"])
def test_no_file_of_the_page_names_another_host_or_has_inline_code(folder):
    for file in (STATIC / folder if folder else STATIC).iterdir():
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|document\.write|\beval\(", text), file.name
        assert not file.name.endswith(".html") or not re.search(
            r"<style|\son\w+=|style=|<script(?! type=\"module\" src)", text
        )
