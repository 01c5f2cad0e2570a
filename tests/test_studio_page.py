"""The files of the studio's page: both languages are complete, and nothing comes from elsewhere."""

import ast
import dataclasses
import json
import re
from importlib import resources
from pathlib import Path

import pytest

import pippin.studio
from pippin.pictures import Preparation
from pippin.settings import IMAGE_SIZES, Settings
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


def messages():
    """Return the English sentences of the server that are translated, with `{}` for values, and their translations."""
    text = (STATIC / "words" / "messages.js").read_text(encoding="utf-8")
    found = re.findall(r'^  ("(?:[^"\\]|\\.)*"): ("(?:[^"\\]|\\.)*"),$', text, re.MULTILINE)
    pairs = [(json.loads(english), json.loads(japanese)) for english, japanese in found]
    assert len(pairs) == len(dict(pairs)) == text.count('": "')
    return {english.removesuffix("."): japanese for english, japanese in pairs}


def sentence(node):
    """Return a text of a program with `{}` for values, as the catalogue has it; None if it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    elif isinstance(node, ast.JoinedStr):
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    else:
        return None
    return text.partition(" Received: ")[0].removesuffix(".") if " " in text else None


def errors_of_the_studio():
    """Return the sentences of all errors that the studio raises or answers with after it has started."""
    found = set()
    for file in Path(pippin.studio.__file__).parent.glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        named = [call for call in calls if isinstance(call.func, ast.Name)]
        raised = [
            call
            for call in named
            if (call.func.id.endswith("Error") and call.func.id != "ValueError") or call.func.id == "error_answer"
        ]
        if file.name not in ("config.py", "server.py"):  # they speak in the terminal
            found |= {text for call in raised for argument in call.args if (text := sentence(argument))}
    return found


def test_each_error_of_the_studio_is_translated():
    found = errors_of_the_studio()
    assert len(found) > 50
    assert sorted(found - set(messages())) == []


def test_a_translation_has_no_more_values_than_the_sentence():
    for english, japanese in messages().items():
        values = english.count("{}")
        numbers = [int(number) for number in re.findall(r"\{(\d+)\}", japanese)]
        assert japanese.count("{}") <= values, english
        assert max(numbers, default=0) <= values, english


def test_nearly_all_help_and_reasons_of_settings_are_translated():
    metadata = [item.metadata for kind in (Settings, Preparation) for item in dataclasses.fields(kind)]
    texts = {each[name] for each in metadata for name in ("help", "why") if each.get(name)}
    unknown = {text for text in texts if text.removesuffix(".") not in messages()}
    assert len(unknown) < len(texts) / 10, unknown


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
