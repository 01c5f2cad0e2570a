"""The Japanese catalogue is complete, and what the command line prints with it holds no English sentence."""

import errno
import os
import re

import pytest
from messages import GENERIC, all_templates, missing

from pippin.translation import Translator, catalogue, preferred_language
from pippin.translation.catalogue import read_catalogue
from pippin.translation.templates import HOLE, numbered_holes

JAPANESE = catalogue("ja")

COMPOSED = {
    "({})",
    "{} s",
    "{}: batch {} after {} of training and {} of compiling",
    "{} image",
    "transparent",
    "{} added ({})",
    "{} removed ({})",
    "{} changed ({})",
    "{} renamed ({})",
    "{} relabelled ({})",
    "{} {} to {}",
    "{} or {}",
    "format: {}",
    "colour mode: {}",
    "shorter side: {}",
    "the image backend was {}",
    "Run:    {} has trained {} batches and is {}",
    "Labels from folders need at least two folders, one for each label; {}",
    "{} images/s",
    "could not be read now: {}",
}
"""Templates of texts that the code composes of parts, such as the name of a field and its value."""

COLOURS = {f"{colour} {{}} ({{}})" for colour in ("red", "orange", "yellow", "green", "blue", "purple", "grey")}

COUNTED = re.compile(r"\{\} (?:kept|mended|refused|pictures?|files?)(?:: \{\})?|\{\} (?:nearly )?the same as .*")
"""Counts of things."""

SPECIAL = re.compile(r"The run (?:is trained for|in \{\} was already trained for) \{\} (?:batches|minutes)\b.*")
"""Sentences with a unit as a word of the sentence, where the code has a value."""

OF_TYPER = {
    "Usage:",
    "Options",
    "Arguments",
    "Commands",
    "Show this message and exit.",
    "required",
    "default: {}",
    "env var: {}",
    "Missing argument {}",
    "Missing option {}",
    "{}. Choose from: {}. {}; see {} --help",
    "No such option: {}",
    "No such option: {} (Possible options: {})",
    "No such option: {} Did you mean {}",
    "No such command {}",
    "No such command {}. Did you mean {}",
    "Invalid value for {}: {}",
    "Input should be a valid integer, unable to parse string as an integer",
    "Input should be a valid number, unable to parse string as a number",
    "{} is not one of {}",
    "Option {} requires an argument",
    "Option {} does not take a value",
    "Got unexpected extra argument(s) ({})",
}
"""Messages of Typer, and of Pydantic behind it."""

OF_SYSTEM = {os.strerror(number) for number in errno.errorcode} | {"Stale file handle", "Disk quota exceeded"}

BARS = re.compile(r"padding bars trimmed \((?:(?:, )?\{\} (?:left|top|right|bottom))+\)")
"""The sides of a picture where padding was trimmed."""

PARTS = {"colours converted from their profile"}
"""What `general_reason` keeps of reasons that end otherwise."""

VERBS_AND_NOUNS = ("{} needs at least {} {}; use more", "Only {} {} held out, ")
"""Sentences with a value that the Japanese one does not need, such as `is`."""


def test_each_message_has_a_translation():
    assert missing(JAPANESE) == []


def test_no_translation_is_left_over():
    known = all_templates()
    beginnings = {template.partition(mark)[0] for template in known for mark in (" (", ":")}  # see `general_reason`
    other = COMPOSED | COLOURS | OF_TYPER | OF_SYSTEM | PARTS | {"Received: {}"}
    left_over = [
        template
        for template in JAPANESE
        if template not in known
        and template not in other
        and template not in beginnings
        and not COUNTED.fullmatch(template)
        and not SPECIAL.fullmatch(template)
        and not BARS.fullmatch(template)
    ]
    assert left_over == []


def test_a_translation_has_the_values_of_the_sentence():
    for template, translation in JAPANESE.items():
        used = [number for number, _ in numbered_holes(translation)]
        assert all(number < template.count("{}") for number in used), template
        assert len(used) == len(set(used)), template
        assert template.count("{}") - len(used) == template.startswith(VERBS_AND_NOUNS), template
        assert not re.search(r"[{}]", HOLE.sub("", translation)), template


def test_templates_that_fit_many_sentences_restrict_their_values():
    for template, translation in JAPANESE.items():
        kinds = {kind for _, kind in numbered_holes(translation)}
        letters = re.findall("[A-Za-z]", template.replace("{}", "").removeprefix("Received: "))
        if "{}" in template and len(letters) < GENERIC and template != "Received: {}":
            assert kinds & {":n", "!k"} or re.search(r"[:(;]", template.removeprefix("Received:")), template


def test_translations_are_japanese():
    for template, translation in JAPANESE.items():
        assert re.search(r"[\u3001-\u30ff\u4e00-\u9fff：（、。]", translation) or not re.search("[a-z]", template), (
            template
        )


@pytest.fixture
def translate():
    return Translator(
        {
            "Read {} in {}": "{2} の {1!t} を読みました。",
            "{} files": "ファイル{:n}個",
            "{} {}": "{2!k} {1:n}件",
            "not a picture, and no text": "画像でも文章でもありません",
            "grey": "グレー",
            "{} is wrong; use {}": "{} は違います。{} を使ってください。",
            "There is none": "ありません。",
            "Failed ({})": "失敗しました（{!t}）。",
            "try again": "もう一度お試しください",
            "Received: {}": "入力：{}",
            "Received: no files": "入力：ファイルなし",
        }
    )


@pytest.mark.parametrize(
    ("english", "japanese"),
    [
        ("Read 1,024 files in a b", "a b の ファイル1,024個 を読みました。"),
        ("Read grey in grey", "grey の グレー を読みました。"),
        ("There is none", "ありません。"),
        ("There is none.", "ありません。"),
        ("Failed (There is none).", "失敗しました（ありません）。"),
        (
            "Failed (3 grey, 2 not a picture, and no text, 4 x)",
            "失敗しました（グレー 3件、画像でも文章でもありません 2件、4 x）。",
        ),
        ("a is wrong; use b. Received: a=1, b=2", "a は違います。b を使ってください。（入力：a=1, b=2）"),
        ("There is none. Received: no files", "ありません。（入力：ファイルなし）"),
        ("There is none  3 files  other", "ありません。  ファイル3個  other"),
        ("There is none; try again", "ありません。もう一度お試しください"),
        ("Try again", "もう一度お試しください"),
        ("my files", "my files"),
        ("2 apples", "2 apples"),
        ("something else", "something else"),
        ("", ""),
    ],
)
def test_a_sentence_is_translated_by_the_template_that_fits(translate, english, japanese):
    assert translate(english) == japanese


def test_names_of_files_are_never_translated():
    translate = Translator(JAPANESE)
    for name in ("grey", "3 pictures", "not a picture", "finished", "There is no such folder", "a: b", "x in y"):
        assert name in translate(f"There is no such folder; check its spelling. Received: source={name!r}")
        assert translate(f"The report: {name}") == f"レポート：{name}"
        assert translate(f"3 pictures in {name}") == f"画像3枚を {name} に書きました"
        assert translate(f"{name}.jpg") == f"{name}.jpg"


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "ja_JP.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LANGUAGE": "ja"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LANGUAGE": "en:ja"}, "en"),
        ({"LANG": "ja_JP.UTF-8", "LANGUAGE": "fr:ja:en"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LANGUAGE": "", "LC_ALL": ""}, "ja"),
        ({"LANG": "ja"}, "ja"),
        ({"LANG": "ja-JP"}, "ja"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "javanese"}, "en"),
    ],
)
def test_the_environment_chooses_the_language_as_in_gettext(environment, language):
    assert preferred_language(environment) == language


@pytest.mark.parametrize(
    ("name", "language"),
    [("ja_JP", "ja"), ("Japanese_Japan", "ja"), ("en_US", "en"), ("German_Germany", "en"), (None, "en")],
)
def test_the_locale_of_the_system_counts_if_the_environment_names_no_language(name, language, monkeypatch):
    monkeypatch.setattr("locale.getlocale", lambda: (name, "UTF-8"))
    assert preferred_language({}) == language


def test_a_catalogue_is_read_as_gettext_writes_it():
    header, note = 'msgid ""\nmsgstr "Language: ja\\n"\n', "\n# a comment\n"
    text = f'{header}{note}msgid ""\n"a "\n"\\"b\\""\nmsgstr "c"\n\nmsgid "new"\nmsgstr ""\n'
    assert read_catalogue(text) == {'a "b"': "c"}
    with pytest.raises(ValueError, match="twice: a"):
        read_catalogue('msgid "a"\nmsgstr "b"\nmsgid "a"\nmsgstr "c"\n')
    with pytest.raises(ValueError, match="unknown line: msgctxt"):
        read_catalogue('msgctxt "a"\n')
