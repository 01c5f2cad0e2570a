"""What the command line prints: nothing in it controls the terminal, and any encoding can hold it."""

import io
import os
import subprocess
import sys

import pytest

import pippin
from pippin import cli
from pippin.cli import printing
from pippin.cli.console import ConsoleReporter, console_reporter
from pippin.errors import PippinError, SettingsError
from pippin.host.text import portable_name, printable

HOSTILE = {
    "a\x1b[31mred\x07": r"a\x1b[31mred\x07",
    "title\x1b]0;x\x1b\\": r"title\x1b]0;x\x1b" + "\\",
    "c1\x9b31m\x90": r"c1\x9b31m\x90",
    "two\nlines\r\x0b\x0c\x85": r"two\nlines\r\x0b\x0c\x85",
    "gpj.\u202eexe\u2066\u200f": r"gpj.\u202eexe\u2066\u200f",
    "\u2028\u2029\ufeff\x00\x7f\t": r"\u2028\u2029\ufeff\x00\x7f\t",
    "byte\udcff": r"byte\xff",
    "half\ud83d": r"half\ud83d",
    "tag\U000e0041": r"tag\U000e0041",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_controls_a_terminal_is_escaped(text):
    assert printable(text) == HOSTILE[text]
    printable(text).encode()


@pytest.mark.parametrize(
    "text", ["写真　旅行", "Ä é ñ", "naïve\xa0café", "نامه\u200cها", "👩\u200d🎨", "a[b]c", "קובץ"]
)
def test_honest_names_are_printed_as_they_are(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("photos", "photos"),
        ("Äpfel 写真 (2)", "Äpfel 写真 (2)"),
        ("a:b/c\\d", "a-b-c-d"),
        ('<a>|b?*"', "-a--b---"),
        ("a\x1b\n\udcff\u202e", "a----"),
        ("a. .", "a"),
        ("...", "pictures"),
        ("", "pictures"),
        ("ä" * 300, "ä" * 100),
    ],
)
def test_a_portable_name_is_valid_on_every_system(text, name):
    assert portable_name(text) == name


@pytest.mark.parametrize("text", HOSTILE)
def test_lines_errors_and_tables_are_escaped(text, capsys):
    printing.print_line(text)
    printing.print_table([("name", text), (text, "1")])
    ConsoleReporter().print_line(text)
    printing.print_error(text)
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == HOSTILE[text]
    assert out.count(HOSTILE[text]) == 4
    assert err == f"pippin: {HOSTILE[text]}\n"
    assert not any(character in out + err for character in text if not character.isprintable() and character != "\n")


@pytest.mark.parametrize("text", ["/photos/[beach] 2019", "photos[/beach]", "[red]a[/red]", ":apple: [link=x]y[/link]"])
def test_markup_in_text_is_not_interpreted(text, capsys):
    printing.print_table([("source", text), (text, "1")])
    assert capsys.readouterr().out.count(text) == 2


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


def test_a_progress_bar_shows_text_as_it_is_and_escapes_it(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", Terminal())
    with console_reporter() as reporter:
        reporter.update_bar("task [/b]", 1, 2, "photos[/beach] \x1b]0;title\x07")
        reporter.print_line("[red]a[/red] \u202eb")
        reporter.bars.refresh()
    shown = sys.stdout.getvalue()
    assert "task [/b]" in shown
    assert r"photos[/beach] \x1b]0;title\x07" in shown
    assert r"[red]a[/red] \u202eb" in shown
    assert "\x1b]" not in shown


def test_a_table_is_wrapped_on_a_terminal_only(monkeypatch, capsys):
    rows = [("source", "photos/" + "a" * 200)]
    printing.print_table(rows)
    assert capsys.readouterr().out.splitlines() == ["source  photos/" + "a" * 200]
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys, "stdout", Terminal())
    printing.print_table(rows)
    assert len(sys.stdout.getvalue().splitlines()) == 4


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "shift_jis", "utf-8"])
def test_any_encoding_can_hold_the_output(monkeypatch, encoding):
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding=encoding, errors="strict"))
    printing.accept_any_character()
    printing.print_line("prepared at 64×64 pixels – 写真 \udcff 👩 →")
    text = file.getvalue().decode(encoding)
    assert text.startswith("prepared at 64")
    if encoding == "ascii":
        assert text.strip() == r"prepared at 64x64 pixels - \u5199\u771f \xff \U0001f469 ->"
    if encoding == "utf-8":
        assert text.strip() == r"prepared at 64×64 pixels – 写真 \xff 👩 →"


def test_streams_without_an_encoding_are_left_as_they_are(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    printing.accept_any_character()
    printing.discard_unwritten_output()


class FullDisk(io.StringIO):
    """A stream that cannot be written."""

    def write(self, text):
        raise OSError(28, "No space left on device")


def test_output_that_cannot_be_written_is_one_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", FullDisk())
    with pytest.raises(PippinError, match=r"Standard output cannot be written; .* Received: No space left on device"):
        printing.print_line("text")


def test_output_that_cannot_be_written_does_not_end_training(monkeypatch):
    monkeypatch.setattr(sys, "stdout", FullDisk())
    with console_reporter() as reporter:
        reporter.print_line("batch 50")


def test_a_long_error_message_is_shortened(capsys):
    printing.print_error("seed must be from 0. Received: seed=" + "9" * 5000)
    err = capsys.readouterr().err
    assert err.startswith("pippin: seed must be from 0. Received: seed=999")
    assert len(err) < 1100
    assert err.endswith("9\n")


# -- wrong arguments: one line on standard error, exit code 2 -------------------------------------------------------


def answer(capsys, monkeypatch, *words):
    """Return what `pippin` prints to standard error, and assert the exit code 2."""
    monkeypatch.setattr(sys, "argv", ["pippin", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sampel", "run"), "No such command 'sampel'. Did you mean 'sample'?"),
        (("sample", "run", "--sede", "3"), "--seed"),
        (("sample", "run", "-n", "many"), "Received: many"),
        (("train", "photos", "--preset", "best"), "'standard', 'classic'"),
        (("info", "a", "b\x1b[31m\u202e"), r"\u202e"),
        (("info",), "Missing argument 'RUN'"),
        (("sample", "run", "-n", "9" * 5000), "'-n' / '--number'"),
    ],
)
def test_wrong_arguments_are_answered_in_one_line(capsys, monkeypatch, words, message):
    err = answer(capsys, monkeypatch, *words)
    assert err.startswith("pippin: ")
    assert err.count("\n") == 1
    assert message in err
    assert "Usage: pippin" in err
    assert "\x1b" not in err


def test_no_arguments_print_the_help(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pippin"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    assert "Commands:" in capsys.readouterr().out


def test_an_error_of_the_library_is_escaped(capsys, monkeypatch):
    def refuse(run):
        raise SettingsError("There is no direction \x1b[2J\nnamed so. Received: \u202e")

    monkeypatch.setitem(vars(pippin), "open_run", refuse)  # without loading an engine
    err = answer(capsys, monkeypatch, "info", "run")
    assert err == "pippin: There is no direction " + r"\x1b[2J\nnamed so. Received: \u202e" + "\n"


def test_too_little_memory_is_one_line(capsys, monkeypatch):
    def allocate(run):
        raise MemoryError

    monkeypatch.setitem(vars(pippin), "open_run", allocate)  # without loading an engine
    assert answer(capsys, monkeypatch, "info", "run").startswith("pippin: There is not enough memory; ")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device without space")
def test_help_to_a_full_disk_is_one_line():
    script = "import sys; sys.argv = ['pippin', '--help']; from pippin.cli import main; main()"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.startswith("pippin: ")
    assert done.stderr.count("\n") == 1
