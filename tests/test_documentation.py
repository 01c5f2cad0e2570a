"""The README and the pages in `docs/`: their commands parse, their links lead somewhere, and the README stays short."""

import pkgutil
import re
import shlex
from pathlib import Path

import pytest
import typer

from pippin.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.ja.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PLACEHOLDERS = {"FORMAT": "onnx"}
"""Words that stand for a value in a command, where any other word would be refused."""
WITHOUT_COMMANDS = {"cli.md"}
"""Generated from the command line itself, and checked by a test of its own."""

WITHOUT_FILES = {"settings.md"}
"""Generated when the site is built, which checks the links to it."""


def code_blocks(text, language=""):
    """Return the contents of a page's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def without_code_blocks(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def commands(text):
    """Return each `pippin VERB …` of a page, from its code blocks and from its sentences, as a list of words."""
    lines = [line for block in code_blocks(text) for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", without_code_blocks(text))
    split = [shlex.split(line, comments=True) for line in lines if line.startswith("pippin ")]
    return [words[1:] for words in split]


def parse(words):
    """Parse a command as `pippin` would, without running it; raise `typer` and `click` errors where it is wrong."""
    group = typer.main.get_command(app)
    verb = group.commands[words[0]]
    verb.make_context(words[0], [PLACEHOLDERS.get(word, word) for word in words[1:]])


def pages_with_commands():
    return [page for page in PAGES if page.name not in WITHOUT_COMMANDS]


@pytest.mark.parametrize("page", pages_with_commands(), ids=lambda page: page.name)
def test_every_command_on_a_page_parses(page):
    for words in commands(page.read_text(encoding="utf-8")):
        if len(words) == 1:  # the verb's name alone, in a sentence
            assert words[0] in typer.main.get_command(app).commands, words
        else:
            try:
                parse(words)
            except Exception as problem:
                pytest.fail(f"pippin {' '.join(words)}: {problem}")


def test_a_command_that_does_not_exist_is_found():
    assert commands("```\npippin train photos/ --minutes 30  # half an hour\n```\nand `pippin info RUN`.") == [
        ["train", "photos/", "--minutes", "30"],
        ["info", "RUN"],
    ]
    with pytest.raises(Exception, match="--hours"):
        parse(["train", "photos/", "--hours", "3"])


def test_every_verb_is_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {words[0] for words in commands(text)} == set(typer.main.get_command(app).commands)


def test_every_make_target_on_a_page_exists():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line for block in code_blocks(text) for line in block.splitlines()]
        lines += re.findall(r"`([^`\n]+)`", without_code_blocks(text))
        for line in lines:
            if named := re.match(r"(?:\w+=\S+ )*make (\w+)", line):
                assert named[1] in targets, f"{page.name}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_in_the_package_exists(page):
    for name in re.findall(r"`(pippin(?:\.\w+)+)`", page.read_text(encoding="utf-8")):
        pkgutil.resolve_name(name)


def headings(page):
    """Return the fragments that a link to a page may end in, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", without_code_blocks(page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code_blocks(page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        path, _, fragment = target.partition("#")
        file = page.parent / path if path else page
        if file.name in WITHOUT_FILES:
            continue
        assert file.exists(), f"{page.name} links to {target}"
        if fragment:
            assert fragment in headings(file), f"{page.name} links to {target}"


def test_the_readme_can_be_read_in_a_few_minutes():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < 600
